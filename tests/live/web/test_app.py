from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from siamtrack.live.web.app import CHUNK, result_files, zip_stream


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    out = tmp_path / "out"
    (out / "target-1").mkdir(parents=True)
    (out / "target-1" / "boxes.csv").write_text("frame,time_s\n" * 1000)
    (out / "target-2").mkdir()
    (out / "target-2" / "boxes.partial.csv").write_text("frame\n1\n")
    (out / "recording-1.mp4").write_bytes(os.urandom(2 * CHUNK + 5))
    (out / "recording-2.partial.mp4").write_bytes(b"half a video")
    (out / "screenshot-1.png.77.part").write_bytes(b"half a picture")
    return out


def test_finished_files_and_running_rows_are_in_it(folder: Path) -> None:
    files = result_files(folder)
    assert list(files) == ["recording-1.mp4", "target-1/boxes.csv", "target-2/boxes.partial.csv"]
    chunks = list(zip_stream(files))
    assert max(map(len, chunks)) <= CHUNK + 4096
    with zipfile.ZipFile(io.BytesIO(b"".join(chunks))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            name: path.read_bytes() for name, path in files.items()
        }


def test_links_lead_nowhere(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret" / "key")
    (folder / "links").symlink_to(tmp_path / "secret")
    assert list(result_files(folder)) == ["recording-1.mp4", "target-1/boxes.csv", "target-2/boxes.partial.csv"]


def test_no_folder_means_no_files(tmp_path: Path) -> None:
    assert result_files(tmp_path / "nothing") == {}


def test_a_file_that_went_away_is_left_out(folder: Path) -> None:
    files = result_files(folder)
    files["recording-1.mp4"].unlink()
    with zipfile.ZipFile(io.BytesIO(b"".join(zip_stream(files)))) as archive:
        assert archive.namelist() == ["target-1/boxes.csv", "target-2/boxes.partial.csv"]
