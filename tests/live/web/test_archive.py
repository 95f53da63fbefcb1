from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import pytest

from siamtrack.labels.tracks import read_track
from siamtrack.live.web.archive import CHUNK, result_files, write_files, zip_stream

FILES = ["recording-1.mp4", "target-1/boxes.csv", "target-2/boxes.csv", "target-2/boxes.txt"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    out = tmp_path / "out"
    (out / "target-1").mkdir(parents=True)
    (out / "target-1" / "boxes.csv").write_text("frame,time_s,x,y,w,h,score,state\n" + 1000 * "0,0.0,1,2,3,4,1.0,TRACKING\n")
    (out / "target-2").mkdir()
    (out / "target-2" / "boxes.partial.csv").write_text(
        "frame,time_s,x,y,w,h,score,state\r\n0,0.0,1,2,3,4,1.0,TRACKING\r\n1,0.04,5,6,7,8,0.9,LOST\r\n2,0.08,9,1"
    )
    (out / ".session").write_text("sealed")
    (out / "recording-1.mp4").write_bytes(os.urandom(2 * CHUNK + 5))
    (out / "recording-2.partial.mp4").write_bytes(b"half a video")
    (out / "screenshot-1.png.77.part").write_bytes(b"half a picture")
    return out


def test_finished_files_are_in_it_and_whole_ones_of_what_is_still_followed(folder: Path) -> None:
    files = result_files(folder, {"target-2": {"source": "a.mp4", "frames": 2}})
    chunks = list(zip_stream(files))
    assert max(map(len, chunks)) <= CHUNK + 4096
    with zipfile.ZipFile(io.BytesIO(b"".join(chunks))) as archive:
        assert archive.testzip() is None
        found = {name: archive.read(name) for name in archive.namelist()}
    for name in ("recording-1.mp4", "target-1/boxes.csv"):
        assert found.pop(name) == (folder / name).read_bytes()
    assert found.pop("target-2/boxes.csv").splitlines()[1:] == [b"0,0.0,1,2,3,4,1.0,TRACKING", b"1,0.04,5,6,7,8,0.9,LOST"]
    assert found.pop("target-2/boxes.txt") == b"1,2,3,4\n5,6,7,8\n"
    assert json.loads(found.pop("target-2/run.json")) == {"source": "a.mp4", "frames": 2}
    assert found == {}
    write_files(files, folder.parent / "copy")
    assert read_track(folder.parent / "copy" / "target-2", "target-2").frames.tolist() == [0, 1]
    assert not (folder.parent / "copy" / "recording-1.mp4").exists()


def test_links_lead_nowhere(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret" / "key")
    (folder / "links").symlink_to(tmp_path / "secret")
    assert list(result_files(folder)) == FILES


def test_files_of_a_clock_that_is_wrong_are_in_it(folder: Path) -> None:
    for name, when in zip(FILES, (0, 2**33), strict=False):  # 1970 and 2242
        os.utime(folder / name, (when, when))
    with zipfile.ZipFile(io.BytesIO(b"".join(zip_stream(result_files(folder))))) as archive:
        assert archive.testzip() is None
        assert {archive.getinfo(name).date_time[0] for name in FILES[:2]} == {1980, 2107}


def test_no_folder_means_no_files(tmp_path: Path) -> None:
    assert result_files(tmp_path / "nothing") == {}


def test_a_file_that_went_away_is_left_out(folder: Path) -> None:
    files = result_files(folder)
    (folder / "recording-1.mp4").unlink()
    with zipfile.ZipFile(io.BytesIO(b"".join(zip_stream(files)))) as archive:
        assert archive.namelist() == FILES[1:]


def test_a_target_that_is_renamed_while_the_zip_is_sent_is_left_out(folder: Path, tmp_path: Path) -> None:
    files = result_files(folder)
    name = next(name for name in FILES if "/" in name)
    sent = zip_stream(files)
    begun = next(sent)  # the first file is on its way
    moved = Path(name).parts[0]
    (folder / moved).rename(folder / "car")
    with zipfile.ZipFile(io.BytesIO(begun + b"".join(sent))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [each for each in FILES if not each.startswith(f"{moved}/")]
    write_files(files, tmp_path / "small")
    assert not (tmp_path / "small" / moved).exists()
