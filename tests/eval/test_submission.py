from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from siamtrack.data.sequence import Sequence
from siamtrack.errors import DataError, OutputError
from siamtrack.eval.results import ResultStore, SequenceResult
from siamtrack.eval.submission import check_submission, write_submission


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
        store.write(video.name, SequenceResult(boxes, np.full(len(boxes), 0.01), np.ones(len(boxes))))
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
