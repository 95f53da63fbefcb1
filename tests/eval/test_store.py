from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from siamtrack.data.sequence import Sequence
from siamtrack.errors import DataError, OutputError
from siamtrack.eval.sequence_run import SequenceRun
from siamtrack.eval.store import ResultStore, check_submission, parse_boxes, write_submission

BOXES = np.arange(12.0).reshape(3, 4) / 3


def run(name: str = "a") -> SequenceRun:
    """Three frames of a sequence."""
    return SequenceRun(name, BOXES, np.ones((3, 4)), (320, 240), np.array([0.01, 0.02]), np.array([1, 0.5, np.nan]))


def video(name: str = "a") -> Sequence:
    return Sequence(name, Path(name), np.ones((3, 4)))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    store = ResultStore(tmp_path, "cv2:csrt")
    assert store.folder == tmp_path / "results/cv2-csrt"
    assert not store.has("a", 3)
    store.write(run())
    assert store.has("a", 3)
    found = store.read(video(), (320, 240))
    assert np.allclose(found.boxes_xywh, BOXES, atol=1e-4)
    assert found.seconds.tolist() == [0.01, 0.02]
    assert np.allclose(found.scores, run().scores, equal_nan=True)
    assert (found.truth_xywh == 1).all()
    assert (store.folder / "a/a_time.txt").read_text().splitlines() == ["0.00000000", "0.01000000", "0.02000000"]
    assert store.boxes_path("a").read_text().splitlines()[1] == "1.3333,1.6667,2.0000,2.3333"


def test_a_sequence_is_finished_when_its_boxes_are_there_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from siamtrack import system as module

    written: list[str] = []
    write = module.replace_file

    def stop(path: Path, data: bytes) -> None:
        if path.name == "a_001.txt":
            raise OSError(28, "No space left on device")
        written.append(path.name)
        write(path, data)

    monkeypatch.setattr(module, "replace_file", stop)
    store = ResultStore(tmp_path, "siamfc")
    with pytest.raises(OutputError, match=r"a_001\.txt cannot be written \(No space left on device\); .*goes on once it can"):
        store.write(run())
    assert written == ["a_time.txt", "a_score.txt"]
    assert not store.has("a", 3)


def test_times_that_nobody_measured_are_none(tmp_path: Path) -> None:
    store = ResultStore(tmp_path, "siamfc")
    store.write(dataclasses.replace(run(), seconds=np.zeros(2)))
    assert not store.read(video(), (320, 240)).seconds.size


def test_names_may_have_folders_in_them(tmp_path: Path) -> None:
    store = ResultStore(tmp_path, "siamfc")
    store.write(run("day/a"))
    assert store.read(video("day/a"), (320, 240)).seconds.tolist() == [0.01, 0.02]


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = ResultStore(tmp_path / "file", "siamfc")
    for call in (lambda: store.claim({"tracker": "siamfc"}), lambda: store.write(run())):
        with pytest.raises(OutputError, match=r"file/results/siamfc.* cannot be written \(Not a directory\)"):
            call()


def test_results_of_another_tracker_are_in_the_way(tmp_path: Path) -> None:
    store = ResultStore(tmp_path, "siamfc")
    store.claim({"tracker": "siamfc", "weights_sha256": "aa", "settings": {"window": 0.3}})
    store.claim({"tracker": "siamfc", "weights_sha256": "aa", "settings": {"window": 0.3}})
    with pytest.raises(DataError, match=r"another tracker: settings, weights_sha256 differ \(settings: .*give another --out"):
        store.claim({"tracker": "siamfc", "weights_sha256": "bb", "settings": {"window": 0.2}})
    (tmp_path / "results/other/a").mkdir(parents=True)
    with pytest.raises(DataError, match="do not say whose they are"):
        ResultStore(tmp_path, "other").claim({"tracker": "other"})
    (store.folder / "tracker.json").write_text("{")
    with pytest.raises(DataError, match=r"tracker\.json is not readable as JSON"):
        store.claim({"tracker": "siamfc"})


def test_a_file_that_was_cut_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    store = ResultStore(tmp_path, "siamfc")
    store.write(run())
    path = store.boxes_path("a")
    whole = path.read_text()
    path.write_text("".join(whole.splitlines(keepends=True)[:2]))
    with pytest.raises(
        DataError, match=r"a_001\.txt holds 2 boxes for 3 frames; it was cut or changed: remove it to run it again"
    ):
        store.has("a", 3)
    path.write_text(whole[:-12])
    with pytest.raises(DataError, match=r"a_001\.txt, line 3: .* is cut"):
        store.read(video(), (320, 240))
    assert path.read_text() == whole[:-12]
    path.write_text(whole[:-4])  # 2.6667,3.0000,3.3333,3.6: still four numbers
    with pytest.raises(DataError, match=r"a_001\.txt, line 3: '.*,3\.6' is cut; remove the file"):
        store.has("a", 3)
    with pytest.raises(DataError, match=r"b_001\.txt not found"):
        store.read(video("b"), (320, 240))


@pytest.mark.parametrize("line", ["1,2,3", "1,2,3,4,5", "1 2 3 4", "1,2,3,nan", "1,2,3,x", ""])
def test_lines_that_are_no_box(line: str) -> None:
    with pytest.raises(DataError, match=r"a\.txt, line 2"):
        parse_boxes(f"1,2,3,4\n{line}\n1,2,3,4\n".encode(), "a.txt")


def test_lost_times_do_not_lose_the_boxes(tmp_path: Path) -> None:
    store = ResultStore(tmp_path, "siamfc")
    store.write(run())
    (store.folder / "a/a_time.txt").unlink()
    (store.folder / "a/a_score.txt").write_text("1\n1\n0.")
    found = store.read(video(), (320, 240))
    assert not found.seconds.size
    assert np.isnan(found.scores).all()


@pytest.fixture
def videos(tmp_path: Path) -> list[Sequence]:
    """Three test sequences of which only the first box is known."""
    found = []
    for k, name in enumerate(("GOT-10k_Test_000001", "GOT-10k_Test_000002", "GOT-10k_Test_000003")):
        boxes = np.zeros((4 + k, 4))
        boxes[0] = (10, 20 + k, 30, 40)
        found.append(Sequence(name, tmp_path / name, boxes))
    return found


@pytest.fixture
def store(tmp_path: Path, videos: list[Sequence]) -> ResultStore:
    store = ResultStore(tmp_path, "siamfc")
    for video in videos:
        boxes = np.repeat(video.boxes_xywh[:1], len(video.boxes_xywh), axis=0)
        seconds, scores = np.full(len(boxes) - 1, 0.01), np.ones(len(boxes))
        store.write(SequenceRun(video.name, boxes, video.boxes_xywh, (320, 240), seconds, scores))
    return store


def test_a_whole_set_of_results_is_packed_the_same_every_time(
    store: ResultStore, videos: list[Sequence], tmp_path: Path
) -> None:
    path = write_submission(store, videos, tmp_path / "siamfc.zip")
    first = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == 6  # scores are not the server's business
        assert archive.read("GOT-10k_Test_000002/GOT-10k_Test_000002_001.txt").startswith(b"10.0000,21.0000,30.0000,40.0000\n")
    assert write_submission(store, videos, tmp_path / "again.zip").read_bytes() == first


def test_a_missing_sequence_leaves_no_archive(store: ResultStore, videos: list[Sequence], tmp_path: Path) -> None:
    store.boxes_path(videos[1].name).unlink()
    with pytest.raises(DataError, match="all 3 sequences must be run"):
        write_submission(store, videos, tmp_path / "siamfc.zip")
    assert not list(tmp_path.glob("siamfc.*"))


def test_lost_times_are_named(store: ResultStore, videos: list[Sequence], tmp_path: Path) -> None:
    store.path(videos[1].name, "time").unlink()
    with pytest.raises(DataError, match=r"000002_time\.txt not found, .*; remove .*000002_001\.txt to run the sequence again"):
        write_submission(store, videos, tmp_path / "siamfc.zip")


def test_an_archive_that_cannot_be_written_leaves_the_old_one(
    store: ResultStore, videos: list[Sequence], tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")
    path = write_submission(store, videos, tmp_path / "siamfc.zip")
    first = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(first) - 1, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"siamfc\.zip cannot be written \(File too large\)"):
            write_submission(store, videos, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == first
    assert not path.with_suffix(".part").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("10.0000,20", "11.0000,20", 1), r"begins with \[11\.0, 20\.0, .*the given box is"),
        (lambda text: text.rsplit("\n", 2)[0] + "\n", "has 3 lines for 4 frames"),
        (lambda text: text.replace(",", "\t"), r"line 1: .* is not x,y,w,h"),
        (lambda text: text.replace("30.0000", "nan"), r"line 1: .* is not x,y,w,h"),
    ],
)
def test_lines_that_the_server_would_refuse_are_found_first(
    store: ResultStore, videos: list[Sequence], tmp_path: Path, change: Callable[[str], str], message: str
) -> None:
    path = store.boxes_path(videos[0].name)
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=message):
        write_submission(store, videos, tmp_path / "siamfc.zip")
    assert not list(tmp_path.glob("siamfc.*"))


def test_names_that_do_not_belong_are_found(store: ResultStore, videos: list[Sequence], tmp_path: Path) -> None:
    path = write_submission(store, videos, tmp_path / "siamfc.zip")
    with pytest.raises(DataError, match=r"holds beside what is wanted 2 files: GOT-10k_Test_000003"):
        check_submission(path, videos[:2])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("GOT-10k_Val_000001/GOT-10k_Val_000001_001.txt", "1,2,3,4\n")
    with pytest.raises(DataError, match="GOT-10k_Val_000001"):
        check_submission(path, videos)
    other = Sequence("GOT-10k_Test_000004", tmp_path, videos[0].boxes_xywh)
    with pytest.raises(DataError, match="lacks 2 files"):
        check_submission(write_submission(store, videos, tmp_path / "b.zip"), [*videos, other])
