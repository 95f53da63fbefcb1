from __future__ import annotations

from pathlib import Path

import pytest
from commands import rows_of
from rendered import rendered_frame

from siamtrack.boxes import Box
from siamtrack.live.capture import Captured
from siamtrack.live.session import Session
from siamtrack.live.window.controls import NOTICE_S, Controls
from siamtrack.live.window.picture import View
from siamtrack.live.window.screen import KeyPress, Pointer
from siamtrack.tracking.tracker import Tracker

VIEW = View.fit((320, 240), (960, 720))
ENTER, ESCAPE, DELETE = 13, 27, 0xFFFF


def captured(index: int) -> Captured:
    return Captured(index, index / 25, rendered_frame(index)[0], float(index))


class Hand:
    """A user, and a clock."""

    def __init__(self, session: Session, waiting: bool = False) -> None:
        self.now = 0.0
        self.full_screen = 0
        self.session = session
        self.controls = Controls(session, lambda: self.now, self._fill, waiting)

    def _fill(self) -> None:
        self.full_screen += 1

    def key(self, *keys: str | int) -> None:
        for key in keys:
            self.controls.handle(KeyPress(key if isinstance(key, int) else ord(key)), VIEW)

    def mouse(self, kind: str, x: float, y: float) -> None:
        self.controls.handle(Pointer(kind, round(x), round(y)), VIEW)  # type: ignore[arg-type]

    def click(self, x: float, y: float) -> None:
        """Press and let go on a frame point."""
        for kind in ("press", "release"):
            self.mouse(kind, 3 * x, 3 * y)

    def drag(self, box: tuple[float, float, float, float], until: str = "release") -> None:
        """Draw a box of the frame, from its right bottom corner."""
        x, y, w, h = box
        for kind, point in (("press", (x + w, y + h)), ("move", (x + w / 2, y)), ("move", (x, y)), (until, (x, y))):
            self.mouse(kind, 3 * point[0], 3 * point[1])

    @property
    def boxes(self) -> dict[str, Box]:
        return {seen.name: seen.result.box for seen in self.controls.scene.targets}


@pytest.fixture
def session(tracker: Tracker, tmp_path: Path) -> Session:
    session = Session(tracker.backend, tracker.config, tmp_path / "out", "a camera", 25.0)
    session.step(captured(0))
    return session


@pytest.fixture
def hand(session: Session) -> Hand:
    return Hand(session)


FIRST, SECOND = (60.0, 80.0, 40.0, 50.0), (200.0, 30.0, 60.0, 50.0)


def test_a_drag_begins_a_target_and_the_picture_stands_meanwhile(hand: Hand) -> None:
    assert not hand.controls.held
    assert hand.controls.hint == "drag a box over the target; h: all keys"
    hand.drag(FIRST, until="move")
    assert hand.controls.held
    assert hand.controls.hint.startswith("40 x 50 px; let go: take it")
    hand.mouse("release", 3 * FIRST[0], 3 * FIRST[1])
    assert not hand.controls.held
    assert hand.controls.hint == ""
    assert hand.controls.selected == "target-1"
    assert hand.boxes["target-1"] == pytest.approx(FIRST, abs=0.5)


def test_a_press_without_a_drag_and_a_tiny_box_say_so_and_do_nothing(hand: Hand) -> None:
    hand.click(20, 20)
    assert hand.controls.notice == "press, drag and let go to draw a box"
    hand.drag((20, 20, 3, 60))
    assert "3 x 60 px is too small" in hand.controls.notice
    assert not hand.controls.held
    assert hand.boxes == {}
    hand.now += NOTICE_S
    assert hand.controls.notice == ""


def test_frozen_it_waits_for_a_box(hand: Hand) -> None:
    hand.key("s")
    assert hand.controls.held
    assert hand.controls.hint == "drag a box over the target; Esc: give up"
    hand.click(20, 20)
    assert hand.controls.held
    hand.drag((20, 20, 3, 60))
    assert "3 x 60 px is too small" in hand.controls.notice
    assert hand.controls.held  # still waiting for a box that can be used
    hand.drag(FIRST)
    assert not hand.controls.held
    assert list(hand.boxes) == ["target-1"]


@pytest.mark.parametrize("key", [ESCAPE, "s", " ", "p"])
def test_freezing_can_be_given_up(hand: Hand, key: str | int) -> None:
    hand.key("s", key)
    assert (hand.controls.held, hand.controls.quit, hand.controls.paused) == (False, False, False)


def test_escape_gives_up_a_box_and_only_then_quits(hand: Hand) -> None:
    hand.drag(FIRST, until="move")
    hand.key(ESCAPE)
    assert (hand.controls.held, hand.controls.quit) == (False, False)
    hand.mouse("release", 100, 100)
    assert hand.boxes == {}
    hand.key("h", ESCAPE)
    assert (hand.controls.help, hand.controls.quit) == (False, False)
    hand.key(ESCAPE)
    assert hand.controls.quit


def test_escape_leaves_full_screen_before_it_quits(hand: Hand) -> None:
    hand.key("f")
    hand.key(ESCAPE)
    assert (hand.full_screen, hand.controls.quit) == (2, False)
    hand.key(ESCAPE)
    assert hand.controls.quit


def test_enter_takes_the_box(hand: Hand) -> None:
    hand.drag(FIRST, until="move")
    hand.key(ENTER)
    assert list(hand.boxes) == ["target-1"]
    hand.mouse("release", 700, 700)
    assert list(hand.boxes) == ["target-1"]


def test_the_first_frame_of_a_file_stands_until_a_target_is_drawn(session: Session) -> None:
    hand = Hand(session, waiting=True)
    assert hand.controls.held
    hand.key("n")
    assert (hand.controls.step, hand.controls.paused) == (True, False)
    hand.click(20, 20)
    assert hand.controls.held
    hand.drag(FIRST)
    assert not hand.controls.held


def test_or_until_the_user_lets_it_run(session: Session) -> None:
    hand = Hand(session, waiting=True)
    hand.key(" ")
    assert not hand.controls.held
    hand.key(" ")
    assert hand.controls.paused


def test_a_pause_outlasts_a_box(hand: Hand) -> None:
    hand.key("p")
    hand.drag(FIRST)
    assert hand.controls.paused
    assert hand.controls.held
    hand.key("p")
    assert not hand.controls.held


def test_a_step_pauses_what_runs(hand: Hand) -> None:
    hand.key(".")
    assert (hand.controls.paused, hand.controls.step) == (True, True)


def test_targets_are_selected_by_a_click_a_number_and_in_turn(hand: Hand) -> None:
    for box in (FIRST, SECOND):
        hand.drag(box)
    assert hand.controls.selected == "target-2"
    hand.click(80, 100)
    assert hand.controls.selected == "target-1"
    assert "target-1 selected" in hand.controls.notice
    hand.key("2")
    assert hand.controls.selected == "target-2"
    hand.key("\t")
    assert hand.controls.selected == "target-1"
    hand.key("\t")
    assert hand.controls.selected == "target-2"
    hand.key("7")
    assert (hand.controls.selected, hand.controls.notice) == ("target-2", "there is no target 7")


def test_the_selected_target_is_drawn_anew(hand: Hand) -> None:
    for box in (FIRST, SECOND):
        hand.drag(box)
    hand.key("1", "r")
    assert hand.controls.hint == "drag a box over target-1; Esc: give up"
    hand.drag((100, 120, 80, 60))
    assert hand.boxes["target-1"] == pytest.approx((100, 120, 80, 60), abs=0.5)
    assert hand.boxes["target-2"] == pytest.approx(SECOND, abs=0.5)
    assert not hand.controls.held
    hand.drag((20, 150, 40, 40))  # that was for one box
    assert list(hand.boxes) == ["target-1", "target-2", "target-3"]


@pytest.mark.parametrize("key", ["x", DELETE])
def test_the_selected_target_is_removed_and_its_results_are_there(hand: Hand, key: str | int) -> None:
    for box in (FIRST, SECOND):
        hand.drag(box)
    hand.key("1", key)
    assert list(hand.boxes) == ["target-2"]
    assert hand.controls.selected is None
    assert len(rows_of(hand.session.out / "target-1" / "boxes.csv")) == 1
    hand.key(key)  # the only one needs no selecting
    assert hand.boxes == {}
    hand.key(key)
    assert hand.controls.notice == "there is no target yet"


def test_of_several_one_must_be_selected_first(hand: Hand) -> None:
    for box in (FIRST, SECOND, (20.0, 150.0, 40.0, 40.0)):
        hand.drag(box)
    hand.key("x", "x")
    assert len(hand.boxes) == 2
    assert hand.controls.notice.startswith("select a target first")
    hand.key("r")
    assert not hand.controls.held


def test_a_recording_and_a_screenshot(hand: Hand) -> None:
    hand.key("v")
    assert hand.controls.recorded_s == 0
    for index in range(1, 6):
        hand.session.step(captured(index))
    assert hand.controls.recorded_s == pytest.approx(0.2)
    hand.key("v")
    assert hand.controls.notice == f"{hand.session.out / 'recording-1.mp4'} written"
    assert hand.controls.recorded_s is None
    hand.key("v", "v")
    assert hand.controls.notice.startswith("nothing was recorded")
    hand.key("c")
    assert (hand.session.out / "screenshot-1.png").is_file()
    assert "screenshot-1.png written" in hand.controls.notice


def test_what_cannot_be_written_is_told_and_the_picture_runs_on(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file where the folder should be")
    session = Session(tracker.backend, tracker.config, tmp_path / "out")
    session.step(captured(0))
    hand = Hand(session)
    for act in (lambda: hand.drag(FIRST), lambda: hand.key("c"), lambda: hand.key("v")):
        hand.controls.say("")
        act()
        assert str(tmp_path / "out") in hand.controls.notice
        assert not hand.controls.held
    assert hand.boxes == {}


def test_switches(hand: Hand) -> None:
    hand.key("t", "h", "f")
    assert (hand.controls.trails, hand.controls.help, hand.full_screen) == (False, True, 1)
    hand.mouse("press", 30, 30)
    assert not hand.controls.help  # who draws wants to see the picture
    hand.mouse("release", 30, 30)
    hand.key("t", 0xFFE1)
    assert hand.controls.trails
    hand.key("Q")
    assert hand.controls.quit


def test_keys_do_not_take_the_picture_from_under_a_box(hand: Hand) -> None:
    hand.drag(FIRST, until="move")
    hand.key("n", "p", "s", "v")
    assert (hand.controls.step, hand.controls.paused, hand.session.recording) == (False, False, False)
    hand.mouse("release", 3 * FIRST[0], 3 * FIRST[1])
    assert list(hand.boxes) == ["target-1"]


def test_after_the_last_frame_nothing_runs_on(hand: Hand) -> None:
    hand.controls.ended = True
    hand.key("p", "n")
    assert (hand.controls.paused, hand.controls.step, hand.controls.held) == (False, False, True)
    assert hand.controls.notice == "this is the last frame; q closes"
    assert hand.controls.hint == "end of file; q closes"


def test_the_wheel_that_enlarges_the_window_is_explained(hand: Hand) -> None:
    hand.mouse("zoom", 30, 30)
    assert hand.controls.notice.startswith("the wheel enlarges")


def test_before_the_first_frame_there_is_no_scene(tracker: Tracker, tmp_path: Path) -> None:
    controls = Controls(Session(tracker.backend, tracker.config, tmp_path), lambda: 0.0)
    with pytest.raises(ValueError, match="no frame yet"):
        _ = controls.scene
