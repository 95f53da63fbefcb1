"""One video in this process, without workers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from beeps import heard, write_beeps
from commands import files_of, frames_of
from rendered import rendered_frame

from siamtrack.batch import pictures, video_run
from siamtrack.batch.engine import RunSettings, VideoProgress
from siamtrack.batch.jobs import TargetJob, VideoJob, checked
from siamtrack.batch.target_folder import TargetFolder, TargetResult
from siamtrack.batch.video_run import run_video
from siamtrack.boxes import Box
from siamtrack.errors import OutputError
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.network import Network
from siamtrack.tracking.result import State, TrackResult
from siamtrack.tracking.tracker import FrameDetails, Tracker
from siamtrack.video import tracking_loop
from siamtrack.video.run import run
from siamtrack.video.source import Frame, Source, open_source
from siamtrack.video.stream import VideoSource
from siamtrack.video.threads import DEPTH
from siamtrack.video.tracking_loop import Span

A, B = (60.0, 80.0, 40.0, 50.0), (140.0, 90.0, 30.0, 60.0)
Make = Callable[..., RunSettings]


class StillGroup:
    """Stands for a `MultiTracker` where it does not matter who tracks: targets stay where they were drawn."""

    def __init__(self, backend: Network, config: TrackerConfig) -> None:
        self.backend, self.config = backend, config
        self._targets: dict[int, TrackResult] = {}

    def add(self, name: int, frame: np.ndarray, box: Any) -> TrackResult:
        if box[0] >= frame.shape[1]:
            raise ValueError("box lies outside")
        self._targets[name] = TrackResult(Box(*box), 0.9, State.TRACKING)
        return self._targets[name]

    def update(self, frame: np.ndarray) -> dict[int, TrackResult]:
        return dict(self._targets)

    def remove(self, name: int) -> None:
        del self._targets[name]

    def details(self, name: int) -> FrameDetails:
        return FrameDetails()

    @property
    def names(self) -> list[int]:
        return list(self._targets)

    def __len__(self) -> int:
        return len(self._targets)

    def __contains__(self, name: int) -> bool:
        return name in self._targets


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_loop, "MultiTracker", StillGroup)


def job(path: Path, *targets: TargetJob) -> VideoJob:
    return checked([VideoJob(str(path), targets)]).videos[0]


def by_name(results: Iterator[TargetResult]) -> dict[str, TargetResult]:
    return {result.target: result for result in results}


def test_each_target_is_tracked_as_siamtrack_track_does_byte_by_byte(
    clips: Path, tmp_path: Path, tracker: Tracker, settings_in: Make
) -> None:
    video = job(clips / "a.mp4", TargetJob("one", A), TargetJob("two", B, 4))
    found = by_name(run_video(video, settings_in(tmp_path / "out"), tracker))
    assert [found[name].outcome for name in ("one", "two")] == ["done", "done"]
    for name, box, start in (("one", A, 0), ("two", B, 4)):
        with open_source(clips / "a.mp4") as source:
            run(tracker, source, tmp_path / name, box, Span(start))
        for file in ("boxes.csv", "boxes.txt"):
            assert (tmp_path / "out/a" / name / file).read_bytes() == (tmp_path / name / file).read_bytes()
    told = json.loads((tmp_path / "out/a/two/run.json").read_text())
    alone = json.loads((tmp_path / "two/run.json").read_text())
    assert set(alone) <= set(told)
    assert {key: told[key] for key in alone if key not in ("fps", "source")} == {
        key: alone[key] for key in alone if key not in ("fps", "source")
    }
    assert told["job"] == {
        "video": str(clips / "a.mp4"),
        "video_bytes": (clips / "a.mp4").stat().st_size,
        "target": "two",
        "box": list(B),
        "start": 4,
        "end": None,
    }


@pytest.mark.usefixtures("still")
def test_targets_start_and_end_where_they_should_and_no_more_is_decoded_than_is_read_ahead(
    clips: Path, tmp_path: Path, tracker: Tracker, settings_in: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    read = VideoSource.read

    def counting(self: VideoSource, start: int = 0) -> Iterator[Any]:
        for frame in read(self, start):
            decoded.append(frame.index)
            yield frame

    monkeypatch.setattr(VideoSource, "read", counting)
    told: list[VideoProgress] = []
    video = job(clips / "a.mp4", TargetJob("a", A, 2, 5), TargetJob("b", B, 4, 4), TargetJob("c", B, 8, 9))
    results = list(run_video(video, settings_in(tmp_path, video=True), tracker, told.append))
    assert [result.target for result in results] == ["b", "a", "c"]
    assert frames_of(tmp_path / "a/a") == [2, 3, 4, 5]
    assert frames_of(tmp_path / "a/b") == [4]
    assert frames_of(tmp_path / "a/c") == [8, 9]
    assert decoded[:8] == list(range(2, 10))
    assert len(decoded) <= 8 + DEPTH + 1  # what was read ahead
    assert (told[0].frames, told[-1].frames, told[-1].total) == (1, 8, 8)
    overlay = cv2.VideoCapture(str(tmp_path / "a/overlay.mp4"))
    assert overlay.get(cv2.CAP_PROP_FRAME_COUNT) == 8  # the gap is in it
    assert overlay.get(cv2.CAP_PROP_FPS) == 25


@pytest.mark.usefixtures("still")
def test_targets_go_backward_and_both_ways_and_are_drawn_in_order(
    clips: Path, tmp_path: Path, tracker: Tracker, settings_in: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[int, list[int]]] = []
    monkeypatch.setattr(
        pictures.Pictures, "add", lambda _, frame, results: drawn.append((frame.index, [number for number, _ in results]))
    )
    targets = [
        TargetJob("back", A, 6, 3, "backward"),
        TargetJob("both", A, 5, 8, "both"),
        TargetJob("late", A, 99, None, "backward"),
        TargetJob("on", B, 2, 4),
    ]
    video, settings = job(clips / "a.mp4", *targets), settings_in(tmp_path, video=True)
    told: list[VideoProgress] = []
    found = by_name(run_video(video, settings, tracker, told.append))
    assert {name: result.outcome for name, result in found.items()} == {
        "late": "failed",
        "back": "done",
        "both": "done",
        "on": "done",
    }
    assert (found["late"].error or "").endswith("frame 99 was asked for (counting from 0)")
    assert frames_of(tmp_path / "a/back") == [3, 4, 5, 6]
    assert frames_of(tmp_path / "a/both") == list(range(9))
    assert drawn == [(i, [1] * (3 <= i <= 6) + [2] + [4] * (2 <= i <= 4)) for i in range(9)]
    # Another direction is another job; the same one goes on.
    done = {result.target: result.earlier or result.frames for result in run_video(video, settings, tracker)}
    assert done == {"back": 4, "both": 9, "late": 0, "on": 3}
    turned = job(clips / "a.mp4", TargetJob("back", A, 6, None, "forward"))
    assert "direction" in (TargetFolder(tmp_path, turned, turned.targets[0], settings.identity).other_job() or "")


@pytest.mark.usefixtures("still")
def test_bad_targets_fail_alone(clips: Path, tmp_path: Path, tracker: Tracker, settings_in: Make) -> None:
    targets = [TargetJob("good", A), TargetJob("outside", (900.0, 0.0, 30.0, 30.0), 1), TargetJob("late", A, 99)]
    found = by_name(run_video(job(clips / "a.mp4", *targets), settings_in(tmp_path), tracker))
    assert found["good"].outcome == "done"
    assert "outside" in (found["outside"].error or "")
    assert (found["late"].error or "").endswith("a.mp4 ended after 12 frames; frame 99 was asked for (counting from 0)")
    error = json.loads((tmp_path / "a/late/error.json").read_text())
    assert (error["kind"], error["error"]) == ("target", found["late"].error)
    assert sorted(path.name for path in (tmp_path / "a/late").iterdir()) == ["error.json"]
    assert (tmp_path / "a/contact_sheet.jpg").is_file()
    assert "frame 99 was asked for" in (
        by_name(run_video(job(clips / "b.mp4", targets[2]), settings_in(tmp_path), tracker))["late"].error or ""
    )


def test_a_video_that_cannot_be_read_fails_its_targets(tmp_path: Path, tracker: Tracker, settings_in: Make) -> None:
    (tmp_path / "text.mp4").write_text("this is not a video\n")
    for name, word in (("text.mp4", "cannot be opened as a video"), ("none.mp4", "not found")):
        video = job(tmp_path / name, TargetJob("one", A), TargetJob("two", B))
        results = list(run_video(video, settings_in(tmp_path / "out"), tracker))
        assert [result.outcome for result in results] == ["failed", "failed"]
        assert all(word in (result.error or "") for result in results)
        assert json.loads((tmp_path / "out" / video.name / "one/error.json").read_text())["kind"] == "video"


@pytest.mark.usefixtures("still")
def test_a_video_that_breaks_off_keeps_the_frames_before(
    tmp_path: Path, tracker: Tracker, settings_in: Make, write_clip: Callable[..., Path]
) -> None:
    whole = write_clip(tmp_path / "whole.avi", frames=60)
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    settings = settings_in(tmp_path / "out", video=True)
    video = job(cut, TargetJob("early", A, 0, 5), TargetJob("long", A), TargetJob("late", A, 55))
    found = by_name(run_video(video, settings, tracker))
    assert found["early"].outcome == "done"
    for name in ("long", "late"):
        assert found[name].outcome == "failed"
        assert "breaks off after" in (found[name].error or "")
    assert 10 < found["long"].frames < 50
    assert frames_of(tmp_path / "out/cut/long") == list(range(found["long"].frames))
    assert (tmp_path / "out/cut/long/error.json").is_file()
    overlay = cv2.VideoCapture(str(tmp_path / "out/cut/overlay.mp4"))
    assert overlay.get(cv2.CAP_PROP_FRAME_COUNT) == found["long"].frames
    again = by_name(run_video(video, settings, tracker))
    assert {name: (result.outcome, result.frames) for name, result in again.items()} == {
        name: (result.outcome, result.frames) for name, result in found.items()
    }


def test_frames_that_change_their_size_end_the_tracks(tmp_path: Path, tracker: Tracker, settings_in: Make) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for i in range(5):
        frame = rendered_frame(i)[0]
        cv2.imwrite(str(frames / f"{i}.png"), frame if i < 3 else frame[:200])
    video = job(frames, TargetJob("first", A), TargetJob("second", A, 3))
    found = by_name(run_video(video, settings_in(tmp_path / "out", video=True), tracker))
    assert (found["first"].outcome, found["first"].frames) == ("failed", 3)
    assert "frame is 320x200, the first one was 320x240" in (found["first"].error or "")
    assert (found["second"].outcome, found["second"].frames) == ("done", 2)
    assert cv2.VideoCapture(str(tmp_path / "out/frames/overlay.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 3


def test_only_what_is_not_done_is_tracked_and_all_files_are_the_same_as_in_one_go(
    clips: Path, tmp_path: Path, tracker: Tracker, settings_in: Make
) -> None:
    video = job(clips / "a.mp4", TargetJob("one", A, 0, 6), TargetJob("two", B, 2), TargetJob("bad", (900, 0, 9, 9)))
    whole, resumed = (settings_in(tmp_path / name, video=True) for name in ("whole", "resumed"))
    list(run_video(video, whole, tracker))
    frames = 0

    def stopped() -> bool:  # as a driver that has gone, behind the end of the first target
        nonlocal frames
        frames += 1
        return frames > 9

    assert {result.target for result in run_video(video, resumed, tracker, stopped=stopped)} == {"one", "bad"}
    out = tmp_path / "resumed/a"
    assert len((out / "two/boxes.partial.csv").read_text().splitlines()) == 9
    assert not (out / "two/boxes.csv").exists()
    assert not list(out.glob("*.*"))
    before = (out / "one/boxes.csv").stat().st_mtime_ns
    calls = tracker.backend.network_calls
    assert len(list(run_video(video, resumed, tracker))) == 3
    assert tracker.backend.network_calls - calls == 1 + 9
    assert (out / "one/boxes.csv").stat().st_mtime_ns == before
    assert files_of(tmp_path / "resumed") == files_of(tmp_path / "whole")
    (out / "overlay.mp4").unlink()  # pictures are made without tracking again
    calls = tracker.backend.network_calls
    list(run_video(video, resumed, tracker))
    assert tracker.backend.network_calls == calls
    assert files_of(tmp_path / "resumed") == files_of(tmp_path / "whole")


def test_an_error_of_ours_does_not_end_the_batch(
    clips: Path, tmp_path: Path, tracker: Tracker, settings_in: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(StillGroup):
        def update(self, frame: np.ndarray) -> dict[int, TrackResult]:
            raise RuntimeError("no memory left")

    monkeypatch.setattr(tracking_loop, "MultiTracker", Broken)
    video = job(clips / "a.mp4", TargetJob("now", A, 0, 0), TargetJob("one", A), TargetJob("two", B, 3))
    found = by_name(run_video(video, settings_in(tmp_path), tracker))
    assert {name: result.outcome for name, result in found.items()} == {"now": "done", "one": "failed", "two": "failed"}
    assert found["one"].error == "RuntimeError: no memory left"


@pytest.mark.usefixtures("still")
def test_a_result_that_cannot_be_written_is_everybodys_trouble(
    clips: Path, tmp_path: Path, tracker: Tracker, settings_in: Make
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/two").write_text("in the way")
    video = job(clips / "a.mp4", TargetJob("one", A), TargetJob("two", B, 3))
    with pytest.raises(OutputError, match="cannot be written"):
        list(run_video(video, settings_in(tmp_path), tracker))
    assert not (tmp_path / "a/one/error.json").exists()
    assert TargetFolder(tmp_path, video, video.targets[0], settings_in(tmp_path).identity).outcome() is None


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("audio", [True, False])
def test_an_overlay_has_the_sound_of_the_frames_in_it(tmp_path: Path, tracker: Tracker, settings_in: Make, audio: bool) -> None:
    path = write_beeps(tmp_path / "a.mkv")
    video = job(path, TargetJob("one", A, 16, 40))
    list(run_video(video, settings_in(tmp_path, video=True, audio=audio), tracker))
    sound = heard(tmp_path / "a/overlay.mp4")
    assert (sound and sound.beeps_s) == (pytest.approx([0.36, 0.86], abs=0.012) if audio else None)


@pytest.mark.usefixtures("still")
def test_an_overlay_that_cannot_be_made_costs_no_results(
    clips: Path, tmp_path: Path, tracker: Tracker, settings_in: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OutputError("no codec takes it")

    monkeypatch.setattr("siamtrack.video.encode.choose_encoder", refuse)
    video, settings = job(clips / "a.mp4", TargetJob("one", A)), settings_in(tmp_path, video=True)
    assert by_name(run_video(video, settings, tracker))["one"].frames == 12
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"one", "contact_sheet.jpg", "overlay.error.txt"}
    assert not pictures.pictures_missing(tmp_path / "a", True)


@pytest.mark.usefixtures("still")
def test_the_contact_sheet_of_a_long_video_keeps_a_dozen_frames(
    tmp_path: Path, tracker: Tracker, settings_in: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LongSource(Source):
        name, fps, frame_count = "long", 25.0, None

        def read(self, start: int = 0) -> Iterator[Any]:
            for i in range(1000):
                yield Frame(i, i / 25, np.full((60, 80, 3), i // 4, np.uint8))

    kept: list[int] = []
    tile = pictures._tile

    def counting(*arguments: Any) -> Any:
        kept.append(1)
        return tile(*arguments)

    monkeypatch.setattr(pictures, "_tile", counting)
    monkeypatch.setattr(video_run, "open_source", lambda _: LongSource())
    video = job(tmp_path / "long.mp4", TargetJob("one", (10, 10, 20, 20)))
    assert [result.frames for result in run_video(video, settings_in(tmp_path), tracker)] == [1000]
    sheet = cv2.imread(str(tmp_path / "long/contact_sheet.jpg"))
    assert sheet is not None
    assert len(kept) < 110  # few frames are drawn
    tiles = sheet.reshape(3, sheet.shape[0] // 3, 4, -1, 3).swapaxes(1, 2).reshape(12, -1, sheet.shape[1] // 4, 3)
    corners = tiles[:, -6:, :6].mean(axis=(1, 2, 3)).astype(int)
    assert len(set(corners)) > 10  # and from everywhere
