from __future__ import annotations

import csv
import json
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from siamtrack.boxes import Box
from siamtrack.drawing import COLORS, put_text
from siamtrack.errors import DisplayError, OutputError
from siamtrack.machine import display_problem, require_display
from siamtrack.tracking.decode import Candidate
from siamtrack.tracking.result import State, TrackResult
from siamtrack.tracking.tracker import FrameDetails
from siamtrack.video.overlay import contact_sheet, draw
from siamtrack.video.recorder import FrameTimes, Recorder, RunSummary
from siamtrack.video.source import Frame

RESULT = TrackResult(Box(10.25, 20.5, 30, 40), 0.75, State.TRACKING)
LOST = TrackResult(Box(10.25, 20.5, 30, 40), 0.1, State.LOST)


def frame(index: int, fps: float = 25) -> Frame:
    return Frame(index, index / fps, np.zeros((48, 64, 3), np.uint8))


def test_result_files_are_as_the_design_says(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    with Recorder(out, {"source": "a clip", "box": [10, 20, 30, 40]}, FrameTimes(warm_up=0)) as recorder:
        recorder.add(frame(5), RESULT)
        recorder.add(frame(6), LOST)
        recorder.times.add(0.01, 0.02, 0.04)
        summary = recorder.finish("done")
    with (out / "boxes.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert list(rows[0]) == ["frame", "time_s", "x", "y", "w", "h", "score", "state"]
    assert rows[0]["frame"] == "5"
    assert [float(rows[0][key]) for key in ("time_s", "x", "y", "w", "h", "score")] == [0.2, 10.25, 20.5, 30, 40, 0.75]
    assert [row["state"] for row in rows] == ["TRACKING", "LOST"]
    assert (out / "boxes.txt").read_text() == "10.250,20.500,30.000,40.000\n" * 2
    rates = {"network": 100.0, "tracker": 50.0, "end_to_end": 25.0}
    fps = {name: {"fps": rate, "p50_ms": 1e3 / rate, "p95_ms": 1e3 / rate, "frames": 1} for name, rate in rates.items()}
    assert json.loads((out / "run.json").read_text()) == {
        "source": "a clip",
        "box": [10, 20, 30, 40],  # as it was given, not as it was used
        "start": 5,
        "frame_wh": [64, 48],
        "frames": 2,
        "lost_frames": 1,
        "ended": "done",
        "fps": fps,
    }
    assert summary == RunSummary(out, 2, 1, "done", fps, None)
    assert sorted(path.name for path in out.iterdir()) == ["boxes.csv", "boxes.txt", "run.json"]


def test_a_run_that_never_finished_keeps_its_rows_and_is_reported(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    for i in range(4):
        recorder.add(frame(i), RESULT)
    # No close: what is in the file now is what a killed process leaves.
    assert len((tmp_path / "boxes.partial.csv").read_text().splitlines()) == 5
    with Recorder(tmp_path) as again:
        assert again.stopped_at == 3
        again.add(frame(0), RESULT)
        assert again.finish("done").stopped_at == 3
    assert len((tmp_path / "boxes.stopped.csv").read_text().splitlines()) == 5
    recorder.close()
    # Killed again and again: before the first frame, and after it.
    Recorder(tmp_path).close()
    with Recorder(tmp_path) as third:
        assert third.stopped_at is None
        third.add(frame(0), RESULT)
    with Recorder(tmp_path) as fourth:
        assert fourth.stopped_at == 0
    kept = {path.name: len(path.read_text().splitlines()) for path in tmp_path.glob("*.stopped*")}
    assert kept == {"boxes.stopped.csv": 2, "boxes.stopped-2.csv": 5}


def test_memory_does_not_grow_with_the_length_of_a_run(tmp_path: Path) -> None:
    peaks = []
    for frames in (1000, 5000):
        with Recorder(tmp_path / str(frames)) as recorder:
            one = frame(0)
            for i in range(frames):
                recorder.add(Frame(i, i / 25, one.image), RESULT)
            tracemalloc.start()
            recorder.finish("done")
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert (tmp_path / str(frames) / "boxes.txt").read_text().count("\n") == frames
    assert peaks[1] < 1.5 * peaks[0]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        Recorder(tmp_path / "file")


@pytest.mark.parametrize("written", [0, 1])
def test_a_row_that_cannot_be_written_says_how_many_are(tmp_path: Path, written: int) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    recorder = Recorder(tmp_path)
    for index in range(written):
        recorder.add(frame(index), RESULT)
    recorder._file = SimpleNamespace(flush=full)  # type: ignore[assignment]
    with pytest.raises(OutputError, match=rf"\(No space left on device\); the rows of {written} frames are in it"):
        recorder.add(frame(written), RESULT)


def test_the_rim_of_a_text_stays_with_it_however_long_it_is() -> None:
    canvas = np.full((40, 600, 3), 128, np.uint8)
    put_text(canvas, "frame 1234  value -12.3  gap -12.3", (10, 25), 0.6)
    columns = [np.flatnonzero((canvas[..., 0] > 200).any(axis=0)), np.flatnonzero((canvas[..., 0] < 60).any(axis=0))]
    (white_first, white_last), (dark_first, dark_last) = ((found[0], found[-1]) for found in columns)
    assert abs(white_first - dark_first) <= 2
    assert abs(white_last - dark_last) <= 2


def test_a_debug_overlay_shows_regions_and_what_the_score_is_made_of() -> None:
    frame = np.zeros((120, 160, 3), np.uint8)
    details = FrameDetails((Box(5, 6, 100, 100),), Candidate((55, 56), (1, 1), 1.5, -2.0))
    plain, debug = draw(frame, RESULT), draw(frame, RESULT, details=details)
    assert tuple(debug[60, 105]) == pytest.approx((190, 190, 190), abs=60)
    assert not plain[60, 105].any()
    assert debug[105:, :90].any()  # the caption
    assert not frame.any()


def test_the_overlay_shows_the_box_and_leaves_the_frame_alone() -> None:
    frame = np.full((240, 320, 3), 30, np.uint8)
    shown = {state: draw(frame, TrackResult(Box(100, 80, 60, 50), 0.4, state), "frame 1") for state in State}
    assert (frame == 30).all()
    for state, image in shown.items():
        assert (image == np.array(COLORS[state], np.uint8)).all(axis=-1).sum() > 100
        assert (image[95:125, 115:145] == 30).all()  # nothing is drawn over the target itself


def test_boxes_at_every_edge_can_be_drawn() -> None:
    frame = np.zeros((60, 80, 3), np.uint8)
    for box in (Box(0, 0, 80, 60), Box(79, 59, 1, 1), Box(0, 0, 1, 1)):
        assert draw(frame, TrackResult(box, 1.0, State.LOST)).shape == frame.shape


def test_a_contact_sheet_is_a_grid() -> None:
    images = [np.full((90, 160, 3), value, np.uint8) for value in (10, 20, 30, 40, 50)]
    sheet = contact_sheet(images, columns=3, width=480)
    assert sheet.shape == (180, 480, 3)
    assert [int(sheet[45, 80 + 160 * i, 0]) for i in range(3)] == [10, 20, 30]
    assert [int(sheet[135, 80 + 160 * i, 0]) for i in range(3)] == [40, 50, 0]
    with pytest.raises(ValueError, match="at least one image"):
        contact_sheet([])


def test_frame_rates_are_frames_over_seconds() -> None:
    times = FrameTimes(warm_up=1)
    for seconds in (9.0, 0.1, 0.1, 0.4):
        times.add(seconds / 4, seconds / 2, seconds)
    summary = times.summary()
    assert summary["end_to_end"] == {"fps": 5.0, "p50_ms": 100.0, "p95_ms": pytest.approx(370), "frames": 3}
    assert [summary[name]["fps"] for name in ("network", "tracker")] == [20.0, 10.0]
    assert times.fps == pytest.approx(5.0)
    assert FrameTimes().summary()["end_to_end"] == {"fps": 0, "p50_ms": 0, "p95_ms": 0, "frames": 0}


def test_without_a_display_a_window_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(DisplayError, match="there is no display"):
        require_display("give the box with --box X,Y,W,H")


def test_a_display_that_does_not_exist_does_not_abort_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":4242")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert display_problem() is not None
