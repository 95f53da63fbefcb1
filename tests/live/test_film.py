"""A video file that is gone through forward and backward, without a page."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import frames_of, wait_until
from rendered import rendered_frame

from siamtrack.boxes import iou
from siamtrack.errors import OutputError, SourceError
from siamtrack.live import frame_store
from siamtrack.live.film import Film
from siamtrack.live.frame_store import FrameStore
from siamtrack.tracking.result import State
from siamtrack.tracking.tracker import Tracker
from siamtrack.video.source import open_source


def stored(path: Path, folder: Path, **settings: object) -> FrameStore:
    frames = FrameStore(lambda: open_source(path), folder, **settings)  # type: ignore[arg-type]
    wait_until(lambda: frames.filled)
    return frames


@pytest.fixture
def film(tracker: Tracker, clip: Path, tmp_path: Path) -> Iterator[Film]:
    frames = stored(clip, tmp_path)
    yield Film(tracker.backend, tracker.config, frames, tmp_path / "out")
    frames.close()


def go(film: Film, *indices: int) -> None:
    """Track through neighbouring frames."""
    for index in indices:
        film.track(index)


def overlap(film: Film, name: str = "target-1") -> float:
    assert film.scene is not None
    seen = {target.name: target for target in film.scene.targets}
    return float(iou(np.array(seen[name].result.box), np.array(rendered_frame(film.scene.frame.index)[1])))


def test_any_frame_is_at_hand_with_its_own_time_and_pixels(clip: Path, tmp_path: Path) -> None:
    closed: list[bool] = []
    frames = stored(clip, tmp_path, on_close=lambda: closed.append(True))
    assert (len(frames), frames.problem, closed) == (20, "", [True])
    with open_source(clip) as source:
        for frame in reversed(list(source.read())):
            found = frames.read(frame.index)
            assert (found.index, found.time_s) == (frame.index, frame.time_s)
            assert np.abs(found.image.astype(int) - frame.image).mean() < 3
    for index in (-1, 20):
        with pytest.raises(IndexError):
            frames.read(index)
    assert [path for path in tmp_path.iterdir() if path != clip] == [], "the file has no name"
    frames.close()
    frames.close()


def test_a_video_that_is_damaged_gives_what_there_is(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(SourceError):
        FrameStore(lambda: open_source(tmp_path / "text.mp4"), tmp_path)
    (tmp_path / "cut.mkv").write_bytes(clip.read_bytes()[:-400])
    try:
        frames = stored(tmp_path / "cut.mkv", tmp_path)
    except SourceError:
        return
    assert len(frames) > 0


def test_a_full_disk_leaves_the_frames_that_are_there(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_store, "MAX_BYTES", 100_000)
    frames = stored(clip, tmp_path)
    assert 0 < len(frames) < 20
    assert "too long" in frames.problem
    monkeypatch.setattr(frame_store, "LEAST_FREE", 2**60)
    with pytest.raises(SourceError, match="disk is full"):
        stored(clip, tmp_path)
    monkeypatch.setattr(frame_store.tempfile, "TemporaryFile", no_space)
    with pytest.raises(OutputError, match="No space left"):
        FrameStore(lambda: open_source(clip), tmp_path)


def test_a_frame_that_no_jpeg_can_hold_is_said_and_not_stored_empty(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wide.png"), np.zeros((2, 70_000, 3), np.uint8))
    with pytest.raises(SourceError, match="70000x2 pixels cannot be encoded"):
        stored(tmp_path / "wide.png", tmp_path)


def no_space(**_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_target_is_followed_forward_and_backward_and_is_known_then(film: Film) -> None:
    film.show(10)
    assert film.add(rendered_frame(10)[1]) == "target-1"
    go(film, 11, 12, 13)
    film.show(10)
    go(film, *range(9, -1, -1))
    assert overlap(film) > 0.6
    assert film.tracks() == [{"name": "target-1", "number": 1, "runs": [(0, 13, "TRACKING")], "drawn": [10]}]
    known = film.show(12).targets[0].result
    go(film, 13, 14)  # the first is known, the second is tracked on
    assert film.show(12).targets[0].result == known
    assert film.tracks()[0]["runs"] == [(0, 14, "TRACKING")]
    film.show(17)
    go(film, 18)
    assert film.scene is not None
    assert film.scene.targets == (), "behind a gap nothing is known"
    with pytest.raises(ValueError, match="not next"):
        film.track(5)


def test_it_follows_as_a_tracker_of_its_own(film: Film, tracker: Tracker) -> None:
    first = film.show(0)
    film.add(rendered_frame(0)[1])
    tracker.init(first.frame.image, rendered_frame(0)[1])
    for index in range(1, 20):
        assert film.track(index).targets[0].result == tracker.update(film.frames.read(index).image)


def test_a_correction_replaces_what_was_found_from_there_on_and_backward_too(film: Film) -> None:
    film.show(0)
    film.add((5, 150, 40, 50))  # the wrong thing
    go(film, *range(1, 15))
    film.show(8)
    assert overlap(film) < 0.1
    film.reselect("target-1", rendered_frame(8)[1])
    assert film.tracks()[0]["runs"][-1][1] == 8, "what was found behind it is forgotten"
    go(film, *range(9, 15))
    assert overlap(film) > 0.6
    film.show(8)
    go(film, *range(7, -1, -1))
    assert film.tracks()[0]["drawn"] == [0, 8]
    assert overlap(film) < 0.1, "what the user drew stays"
    for index in range(1, 8):
        film.show(index)
        assert overlap(film) > 0.6


def test_results_are_those_of_every_other_run_and_follow_each_change(film: Film) -> None:
    film.show(3)
    film.add(rendered_frame(3)[1])
    film.add((5, 150, 40, 50))
    go(film, 4, 5, 4, 3, 2)
    assert film.rename("target-1", " car / 1 ") == "car-1"
    assert film.rename("target-2", "car 1") == "car-1-2"
    assert film.rename("car-1-2", "target-3") == "target-3"
    assert film.add((5, 50, 40, 50)) == "target-3-2"
    film.remove("target-3-2")
    assert film.rename("target-3", "car 1") == "car-1-2"
    film.write()
    assert frames_of(film.out / "car-1") == [2, 3, 4, 5]
    about = json.loads((film.out / "car-1/run.json").read_text())
    assert (about["drawn"], about["frame_wh"], about["frames"]) == ([3], [320, 240], 4)
    assert film.clip(lambda: True) is None, "given up"
    assert film.clip(lambda: False) == film.out / "overlay.mp4"
    with open_source(film.out / "overlay.mp4") as clip:
        assert [round(frame.time_s * film.frames.fps) for frame in clip.read()] == [0, 1, 2, 3]
    film.remove("car-1-2")
    film.write()
    assert [path.name for path in film.out.iterdir()] == ["car-1"]
    before = film.tracks()
    with pytest.raises(ValueError, match="letters"):
        film.rename("car-1", "///", 9)
    assert film.tracks() == before
    with pytest.raises(KeyError):
        film.rename("car-9", "a")


def test_a_clip_needs_something_to_show_and_is_whole_or_not_there(film: Film) -> None:
    film.show(0)
    with pytest.raises(ValueError, match="nothing was tracked"):
        film.clip(lambda: False)
    film.add(rendered_frame(0)[1])
    go(film, 1, 2)
    asked: list[bool] = []

    def close_on_the_way() -> bool:
        asked.append(True)
        if len(asked) == 2:
            film.frames.close()
            film.frames._cached.clear()
        return False

    with pytest.raises(ValueError, match="closed"):
        film.clip(close_on_the_way)
    assert sorted(path.name for path in film.out.iterdir()) == ["target-1"]


def test_what_is_lost_is_not_learned(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    film.show(5)
    film.add(rendered_frame(5)[1])
    target = film._targets["target-1"]
    target.results[5] = target.results[5].__class__(target.results[5].box, 0.0, State.LOST)
    target.cursor = None
    go(film, 6)
    assert film.tracks()[0]["runs"] == [(5, 5, "LOST")]
