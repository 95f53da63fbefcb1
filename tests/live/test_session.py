from __future__ import annotations

import json
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import frames_of, rows_of
from made_videos import decoded, seconds
from rendered import rendered_frame

from siamtrack.boxes import iou
from siamtrack.errors import OutputError
from siamtrack.live.capture import Captured
from siamtrack.live.scene import MAX_TARGETS
from siamtrack.live.session import Session
from siamtrack.tracking.tracker import Tracker

CORNER = (2.0, 3.0, 50.0, 40.0)


def captured(index: int) -> Captured:
    return Captured(index, index / 25, rendered_frame(index)[0], float(index))


def box(index: int) -> tuple[float, ...]:
    return rendered_frame(index)[1]


@pytest.fixture
def session(tracker: Tracker, tmp_path: Path) -> Session:
    return Session(tracker.backend, tracker.config, tmp_path / "out", "a camera", 25.0, {"model": "test"})


def test_targets_are_followed_and_written_as_everywhere(session: Session) -> None:
    session.step(captured(0))
    name = session.add(box(0))
    scenes = [session.step(captured(index)) for index in range(1, 6)]
    session.close()
    assert [seen.name for seen in scenes[-1].targets] == [name] == ["target-1"]
    assert iou(np.array(scenes[-1].targets[0].result.box), np.array(box(5))) > 0.6
    assert len(scenes[-1].targets[0].trail) == 6
    written = rows_of(session.out / name / "boxes.csv")
    assert [row["frame"] for row in written] == ["0", "1", "2", "3", "4", "5"]
    assert [float(row["time_s"]) for row in written] == pytest.approx([index / 25 for index in range(6)])
    assert float(written[-1]["x"]) == pytest.approx(scenes[-1].targets[0].result.box.x, abs=1e-3)
    assert len((session.out / name / "boxes.txt").read_text().splitlines()) == 6
    run = json.loads((session.out / name / "run.json").read_text())
    assert (run["frames"], run["ended"], run["source"], run["model"], run["start"]) == (6, "done", "a camera", "test", 0)
    assert run["box"] == pytest.approx(list(box(0)))
    assert run["frame_wh"] == [320, 240]
    assert run["fps"]["tracker"]["frames"] == 2  # five updates, the first three are warm-up
    rates = [run["fps"][name]["fps"] for name in ("network", "tracker", "end_to_end")]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > 0


def test_a_target_may_be_drawn_in_a_frame_that_was_never_stepped_through(session: Session) -> None:
    name = session.add(box(0), captured(0))
    assert session.scene is not None
    assert [seen.name for seen in session.step(captured(1)).targets] == [name]
    session.close()
    assert frames_of(session.out / name) == [0, 1]


def test_nothing_is_written_before_there_is_a_target(session: Session) -> None:
    session.step(captured(0))
    session.close()
    assert not session.out.exists()


def test_a_box_may_be_drawn_in_any_direction(session: Session) -> None:
    session.step(captured(0))
    x, y, w, h = box(0)
    names = [session.add(drawn) for drawn in ((x + w, y, -w, h), (x, y + h, w, -h), (x + w, y + h, -w, -h))]
    assert session.scene is not None
    boxes = {seen.name: seen.result.box for seen in session.scene.targets}
    for name in names:
        assert tuple(boxes[name]) == pytest.approx((x, y, w, h))


def test_a_target_drawn_on_a_held_frame_is_learned_from_that_frame(session: Session) -> None:
    held = captured(0)
    session.step(held)
    for index in range(1, 4):
        session.step(captured(index))
    name = session.add(box(0), held)
    scene = session.step(captured(4))
    session.close()
    assert iou(np.array(scene.targets[0].result.box), np.array(box(4))) > 0.6
    assert frames_of(session.out / name) == [0, 4]


def test_a_target_drawn_again_goes_on_in_its_files(session: Session) -> None:
    session.step(captured(0))
    name = session.add(CORNER)
    session.step(captured(1))
    session.reselect(name, box(1))
    assert session.scene is not None
    assert len(session.scene.targets) == len(session.scene.targets[0].trail) == 1
    scene = session.step(captured(2))
    session.close()
    assert iou(np.array(scene.targets[0].result.box), np.array(box(2))) > 0.6
    assert frames_of(session.out / name) == [0, 1, 2]


def test_a_removed_target_is_finished_at_once_and_its_name_not_given_again(session: Session) -> None:
    session.step(captured(0))
    first, second = session.add(box(0)), session.add(CORNER)
    session.step(captured(1))
    session.remove(first)
    assert json.loads((session.out / first / "run.json").read_text())["ended"] == "removed"
    assert session.scene is not None
    assert [seen.name for seen in session.scene.targets] == session.names == [second]
    assert session.add(box(1)) == "target-3"
    with pytest.raises(KeyError):
        session.remove(first)
    session.close()
    assert sorted(path.name for path in session.out.iterdir()) == ["target-1", "target-2", "target-3"]


def test_results_of_an_earlier_session_are_left_alone(session: Session, tracker: Tracker) -> None:
    session.step(captured(0))
    session.add(box(0))
    session.close()
    before = (session.out / "target-1" / "boxes.csv").read_bytes()
    again = Session(tracker.backend, tracker.config, session.out)
    again.step(captured(0))
    assert again.add(box(0)) == "target-2"
    again.close()
    assert (session.out / "target-1" / "boxes.csv").read_bytes() == before


def test_a_recording_plays_at_the_speed_at_which_it_happened(session: Session) -> None:
    session.step(captured(0))
    session.add(box(0))
    path = session.record(True)
    assert session.record(True) is None
    for index in (0, 1, 5, 6, 10):  # a slow tracker: the others were dropped
        session.step(captured(index))
    assert session.record(False) == path == session.out / "recording-1.mp4"
    assert decoded(path)[0] == pytest.approx([index / 25 for index in (0, 1, 5, 6, 10)], abs=1e-4)
    assert session.record(False) is None
    session.record(True)
    session.step(captured(11))
    session.close()  # finishes the second one
    second = session.out / "recording-2.mp4"
    assert len(decoded(second)[0]) == 1
    assert seconds(second) == pytest.approx(1 / 25, abs=1e-3)


def test_a_picture_of_another_size_ends_a_recording_and_begins_the_next(session: Session) -> None:
    session.record(True)
    for index in range(3):
        session.step(captured(index))
    turned = np.ascontiguousarray(np.rot90(rendered_frame(3)[0]))
    for index in (3, 4):
        session.step(Captured(index, index / 25, turned, float(index)))
    assert session.record(False) == session.out / "recording-2.mp4"
    shapes = [[image.shape for image in decoded(session.out / f"recording-{number}.mp4")[1]] for number in (1, 2)]
    assert shapes == [[(240, 320, 3)] * 3, [(320, 240, 3)] * 2]


def test_a_recording_that_had_to_be_made_smaller_says_so(session: Session) -> None:
    session.record(True)
    session.step(Captured(0, 0.0, np.zeros((10, 5000, 3), np.uint8), 0.0))
    session.record(False)
    assert session.step(captured(1)).notice == "recording-1.mp4 is 4096x8: frames of 5000x10 are larger than decoders take"
    assert session.step(captured(2)).notice == ""


def test_what_a_killed_session_recorded_is_left_alone(session: Session) -> None:
    session.out.mkdir()
    (session.out / "recording-1.partial.mp4").write_bytes(b"of a killed session")
    session.record(True)
    session.step(captured(0))
    assert session.record(False) == session.out / "recording-2.mp4"
    assert (session.out / "recording-1.partial.mp4").read_bytes() == b"of a killed session"


def test_a_recording_that_cannot_be_written_says_so_and_ends(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OutputError("the disk is full")

    monkeypatch.setattr("siamtrack.video.encode.choose_encoder", refuse)
    session.record(True)
    session.step(captured(0))
    with pytest.raises(OutputError, match="the disk is full"):
        session.record(False)
    assert not session.recording
    assert not any(thread.name == "write-behind" for thread in threading.enumerate())
    session.step(captured(1))


def test_a_screenshot_shows_the_boxes(session: Session) -> None:
    with pytest.raises(ValueError, match="no frame yet"):
        session.screenshot()
    session.step(captured(0))
    session.add(box(0))
    plain, shot = rendered_frame(0)[0], cv2.imread(str(session.screenshot()))
    assert shot is not None
    assert shot.shape == plain.shape
    x, y, w, _ = (round(value) for value in box(0))
    assert (shot[y, x : x + w] != plain[y, x : x + w]).any(axis=1).mean() > 0.9  # the box's upper side
    assert session.screenshot().name == "screenshot-2.png"


def test_a_picture_of_another_size_ends_the_targets_and_says_so(session: Session) -> None:
    session.step(captured(0))
    name = session.add(box(0))
    turned = Captured(1, 0.04, np.ascontiguousarray(np.rot90(rendered_frame(1)[0])), 1.0)
    scene = session.step(turned)
    assert scene.notice == "the picture went from 320x240 to 240x320: draw the targets again"
    assert scene.targets == ()
    assert json.loads((session.out / name / "run.json").read_text())["ended"] == scene.notice
    assert session.step(turned).notice == ""
    session.close()


@pytest.mark.parametrize("bad", [(0, 0, 0, 10), (900, 900, 10, 10), (float("nan"), 0, 5, 5)])
def test_a_bad_box_leaves_no_trace(session: Session, bad: tuple[float, ...]) -> None:
    session.step(captured(0))
    with pytest.raises(ValueError, match="box"):
        session.add(bad)
    assert session.names == []
    assert not session.out.exists()


def test_a_folder_that_cannot_be_made_costs_the_one_target_only(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    session = Session(tracker.backend, tracker.config, tmp_path / "file" / "out")
    session.step(captured(0))
    with pytest.raises(OutputError):
        session.add(box(0))
    assert session.step(captured(1)).targets == ()


def test_there_is_a_limit_on_targets(session: Session) -> None:
    session.step(captured(0))
    for _ in range(MAX_TARGETS):
        session.add(box(0))
    with pytest.raises(ValueError, match=f"{MAX_TARGETS} targets are followed already"):
        session.add(box(0))
    session.close()


def test_threads_may_come_and_go_between_frames(session: Session) -> None:
    session.step(captured(0))
    errors: list[Exception] = []

    def draw() -> None:
        try:
            for _ in range(5):
                session.remove(session.add(CORNER))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=draw) for _ in range(3)]
    for thread in threads:
        thread.start()
    for index in range(1, 8):
        session.step(captured(index))
    for thread in threads:
        thread.join(60)
    session.close()
    assert errors == []
    assert len(list(session.out.glob("target-*/boxes.csv"))) == 15


def test_a_target_gets_a_name_and_a_colour_while_it_is_followed(session: Session) -> None:
    (session.out / "car").mkdir(parents=True)
    session.step(captured(0))
    session.add(box(0))
    session.add(CORNER)
    session.step(captured(1))
    assert session.rename("target-1", " car ") == "car-2", "a folder of that name is there"
    assert session.rename("target-2", "", 5) == "target-2"
    assert session.rename("car-2", "car-2", 3) == "car-2"
    scene = session.step(captured(2))
    assert [(seen.name, seen.number, seen.label, seen.color) for seen in scene.targets] == [
        ("car-2", 1, "car-2", 3),
        ("target-2", 2, "", 5),
    ]
    assert set(session.running()) == {"car-2", "target-2"}
    session.reselect("car-2", box(2))
    for name, to, problem in (("nobody", "x", KeyError), ("car-2", "//", ValueError)):
        with pytest.raises(problem):
            session.rename(name, to, 7)
    assert session.step(captured(3)).targets[0].color == 3, "what is refused changes nothing"
    session.remove("car-2")
    session.close()
    assert frames_of(session.out / "car-2") == [0, 1, 2, 3]
    assert sorted(path.name for path in session.out.iterdir()) == ["car", "car-2", "target-2"]
    assert session.finished[0].folder == session.out / "car-2"
