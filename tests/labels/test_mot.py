"""MOTChallenge text, read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siamtrack.errors import OutputError
from siamtrack.labels import LabelOptions, load_tracks, write_mot
from siamtrack.tracking.result import State


def _read(path: Path) -> np.ndarray:
    return np.loadtxt(path, delimiter=",", ndmin=2)


def test_boxes_come_back_to_three_decimals(write_run, tmp_path: Path) -> None:
    video = load_tracks(write_run(tmp_path / "run")).videos[0]
    assert write_mot(video, tmp_path / "clip.txt") == 4
    rows = _read(tmp_path / "clip.txt")
    track = video.tracks[0].take(video.tracks[0].states != "LOST")
    np.testing.assert_array_equal(rows[:, 0] - 1, track.frames)
    np.testing.assert_array_equal(rows[:, 1], 1)
    np.testing.assert_allclose(rows[:, 2:6] - [1, 1, 0, 0], track.boxes_xywh, atol=5e-4)
    np.testing.assert_allclose(rows[:, 6], track.scores, atol=5e-5)
    np.testing.assert_array_equal(rows[:, 7:], -1)
    assert (tmp_path / "clip.txt").read_text().splitlines()[0] == "1,1,11.000,21.000,30.500,40.250,1.0000,-1,-1,-1"


def test_what_is_left_out(write_run, tmp_path: Path) -> None:
    video = load_tracks(write_run(tmp_path / "run")).videos[0]
    path = tmp_path / "clip.txt"

    def frames(**options) -> list[int]:
        write_mot(video, path, LabelOptions(force=True, **options))
        return (_read(path)[:, 0] - 1).astype(int).tolist()

    assert frames(keep_lost=True) == [0, 1, 2, 3, 4]
    assert frames(min_score=0.8) == [0, 1, 4]
    assert frames(every=2) == [0, 2, 4]
    assert frames(every=3) == [0]
    assert frames(every=3, keep_lost=True) == [0, 3]


def test_every_nth_frame_is_the_same_one_for_all_targets_and_boxes_without_area_are_left_out(write_run, tmp_path: Path) -> None:
    box = (1.0, 2.0, 10.0, 10.0)
    write_run(tmp_path / "a", [(frame, box, 0.9, State.TRACKING) for frame in range(7, 20)])
    write_run(tmp_path / "b", [(frame, box, 0.9, State.TRACKING) for frame in range(9, 20)])
    write_run(tmp_path / "c", [(12, (5.0, 5.0, 0.0, 3.0), 0.9, State.TRACKING)])
    write_mot(load_tracks(tmp_path).videos[0], tmp_path / "x.txt", LabelOptions(every=5))
    assert _read(tmp_path / "x.txt")[:, :2].astype(int).tolist() == [[8, 1], [13, 1], [13, 2], [18, 1], [18, 2]]


def test_a_target_that_was_never_seen_gives_an_empty_file(write_run, tmp_path: Path) -> None:
    video = load_tracks(write_run(tmp_path / "run", [(0, (1.0, 2.0, 3.0, 4.0), 0.1, State.LOST)])).videos[0]
    assert write_mot(video, tmp_path / "clip.txt") == 0
    assert (tmp_path / "clip.txt").read_text() == ""


def test_nothing_is_written_over_unasked(write_run, tmp_path: Path) -> None:
    video = load_tracks(write_run(tmp_path / "run")).videos[0]
    path = tmp_path / "clip.txt"
    path.write_text("mine")
    with pytest.raises(OutputError, match=r"clip\.txt exists; give --force to write over it"):
        write_mot(video, path)
    assert path.read_text() == "mine"
    write_mot(video, path, LabelOptions(force=True))
    assert path.read_text() != "mine"
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        write_mot(video, tmp_path / "file" / "clip.txt")
