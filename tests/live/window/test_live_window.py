"""The loop of the window, with a screen that is played; `test_live_window_on_screen.py` has a real one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import frames_of
from rendered import Film, rendered_frame
from screens import Events, FakeScreen, User

from siamtrack.boxes import Box
from siamtrack.live.capture import Capture
from siamtrack.live.session import Session
from siamtrack.live.window import live_window
from siamtrack.live.window.hud import Label, Status, layout
from siamtrack.live.window.live_window import CLOSED, RECENT, LiveWindow, Meter
from siamtrack.live.window.screen import KeyPress, Pointer
from siamtrack.tracking.tracker import Tracker

FIRST = Box(*rendered_frame(0)[1])


def keys(text: str) -> Events:
    return [KeyPress(ord(letter)) for letter in text]


def drag(box: Box) -> Events:
    """A box of the frame in a window of three times its size."""
    x, y, w, h = (round(3 * value) for value in box)
    return [Pointer("press", x + w, y), Pointer("move", x + w // 2, y + h // 2), Pointer("release", x, y + h)]


def until(condition: Callable[[], bool]) -> User:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        yield []


def for_ever() -> User:
    while True:
        yield []


@pytest.fixture
def session(tracker: Tracker, tmp_path: Path) -> Session:
    return Session(tracker.backend, tracker.config, tmp_path / "out", "film", 25.0)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[Status]:
    """Every status that was drawn."""
    statuses: list[Status] = []

    def note(status: Status, size_wh: tuple[int, int]) -> list[Label]:
        statuses.append(status)
        return layout(status, size_wh)

    monkeypatch.setattr(live_window, "layout", note)
    return statuses


def frame(session: Session) -> int:
    assert session.scene is not None
    return session.scene.frame.index


def run(session: Session, film: Film, user: User, boxes: tuple[Box, ...] = ()) -> str:
    screen = FakeScreen(user)
    with Capture(lambda: film) as capture:
        ended = LiveWindow(capture, session, boxes, open_screen=screen).run()
    session.close(ended)
    assert screen.gone
    return ended


def test_a_file_stands_at_its_first_frame_then_is_followed_to_its_last_which_stays(
    session: Session, said: list[Status]
) -> None:
    def user() -> User:
        for _ in range(20):
            yield []
        assert frame(session) == 0
        assert said[-1].hint == "drag a box over the target; h: all keys"
        assert not said[-1].paused
        yield drag(FIRST)
        yield from until(lambda: said[-1].hint == "end of file; q closes")
        for _ in range(5):
            yield []
        yield keys("q")

    assert run(session, Film(), user()) == "done"
    assert frames_of(session.out / "target-1") == list(range(12))
    assert json.loads((session.out / "target-1" / "run.json").read_text())["ended"] == "done"


def test_with_boxes_nobody_need_draw(session: Session, said: list[Status]) -> None:
    def user() -> User:
        yield from until(lambda: said[-1].hint == "end of file; q closes")
        yield keys("q")

    assert run(session, Film(), user(), (FIRST, Box(200, 30, 50, 50))) == "done"
    assert frames_of(session.out / "target-1") == frames_of(session.out / "target-2") == list(range(12))


def test_a_closed_window_ends_with_every_frame_that_was_shown(session: Session) -> None:
    def user() -> User:
        yield from until(lambda: frame(session) == 4)
        yield None

    assert run(session, Film(), user(), (FIRST,)) == CLOSED
    assert frames_of(session.out / "target-1") == [0, 1, 2, 3, 4]


def test_ctrl_c_ends_it_in_order(session: Session) -> None:
    def user() -> User:
        yield from until(lambda: frame(session) == 2)
        raise KeyboardInterrupt

    assert run(session, Film(), user(), (FIRST,)) == "interrupted"
    assert frames_of(session.out / "target-1") == [0, 1, 2]


def test_a_source_that_breaks_off_ends_it_with_the_reason(session: Session) -> None:
    assert run(session, Film(5, fails="film tore"), for_ever(), (FIRST,)) == "film tore"
    assert frames_of(session.out / "target-1") == [0, 1, 2, 3, 4]


def test_a_source_without_a_frame_opens_no_window(session: Session) -> None:
    screen = FakeScreen(for_ever())
    with Capture(lambda: Film(0, fails="no film")) as capture:
        assert LiveWindow(capture, session, open_screen=screen).run() == "no film"
    assert screen.size_wh == (0, 0)


def test_a_box_that_cannot_be_used_is_the_callers_mistake(session: Session) -> None:
    with Capture(Film) as capture, pytest.raises(ValueError, match="outside the 320x240 frame"):
        LiveWindow(capture, session, [Box(900, 900, 20, 20)], open_screen=FakeScreen(for_ever())).run()


def test_paused_it_goes_on_frame_by_frame(session: Session, said: list[Status]) -> None:
    def user() -> User:
        yield from until(lambda: frame(session) == 2)
        yield keys("p")
        for expected in (3, 4, 5):
            yield keys("n")
            yield from until(lambda: frame(session) > expected - 1)  # noqa: B023
            for _ in range(5):
                yield []
            assert frame(session) == expected
        assert said[-1].paused
        assert (said[-1].fps, said[-1].latency_ms) == (0.0, None)
        yield keys(" ")
        yield from until(lambda: frame(session) == 8)
        yield keys("q")

    assert run(session, Film(), user(), (FIRST,)) == CLOSED
    assert frames_of(session.out / "target-1") == list(range(9))


def test_a_still_picture_is_drawn_once_until_something_happens(session: Session) -> None:
    def user() -> User:
        yield []
        shown = len(screen.pictures)
        for _ in range(10):
            yield []
        assert len(screen.pictures) == shown == 1
        yield [Pointer("move", 300, 300)]
        yield []
        assert len(screen.pictures) == 2
        screen.size_wh = (500, 500)
        yield []
        assert [picture.shape for picture in screen.pictures] == [(720, 960, 3)] * 2 + [(500, 500, 3)]
        yield keys("h")
        yield []
        assert len(screen.pictures) == 4
        yield keys("q")

    screen = FakeScreen(user())
    with Capture(Film) as capture:
        assert LiveWindow(capture, session, open_screen=screen).run() == CLOSED


def test_a_camera_runs_while_nothing_is_drawn_and_stands_while_something_is(session: Session, said: list[Status]) -> None:
    def user() -> User:
        yield from until(lambda: frame(session) > 5)
        assert said[-1].hint == "drag a box over the target; h: all keys"
        yield keys("s")
        yield []
        stood, dropped = frame(session), said[-1].dropped
        time.sleep(0.5)
        for _ in range(5):
            yield []
        assert frame(session) == stood
        yield keys("s")
        yield from until(lambda: frame(session) > stood)
        assert frame(session) > stood + 20  # the newest, not the one after
        # What went by meanwhile was not lost by being slow.
        assert said[-1].dropped - dropped < (frame(session) - stood) / 2
        yield drag(FIRST)
        yield from until(lambda: said[-1].latency_ms is not None and said[-1].fps > 0)
        yield keys("q")

    assert run(session, Film(10_000, live=True), user()) == CLOSED
    assert len(frames_of(session.out / "target-1")) > 1


def test_a_lost_camera_is_told_and_picked_up_again(session: Session, said: list[Status]) -> None:
    films: list[Film] = []

    def opened() -> Film:
        films.append(Film(10_000, live=True))
        return films[-1]

    def user() -> User:
        yield from until(lambda: frame(session) > 3)
        films[-1].unplugged.set()
        yield from until(lambda: said[-1].problem.startswith("reconnecting: film gives no more frames"))
        at = frame(session)
        yield from until(lambda: frame(session) > at and said[-1].problem == "")
        yield keys("q")

    screen = FakeScreen(user())
    with Capture(opened, first_delay_s=0.2) as capture:
        assert LiveWindow(capture, session, open_screen=screen).run() == CLOSED


def test_a_camera_that_says_nothing_is_told_of(session: Session, said: list[Status], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_window, "SILENT_S", 0.3)
    film = Film(10_000, live=True)

    def user() -> User:
        yield from until(lambda: frame(session) > 3)
        film.silent.set()
        yield from until(lambda: said[-1].problem.startswith("no picture has come for"))
        film.silent.clear()
        yield from until(lambda: said[-1].problem == "")
        yield keys("q")

    assert run(session, film, user()) == CLOSED


def test_another_picture_size_is_told_and_shown(session: Session, said: list[Status]) -> None:
    large = [rendered_frame(i)[0] for i in range(3)]
    small = np.ascontiguousarray(large[0][:120, :160])

    def user() -> User:
        yield from until(lambda: said[-1].hint.startswith("end of file"))
        assert "draw the targets again" in said[-1].notice
        yield keys("q")

    assert run(session, Film(6, images=[*large, *[small] * 3]), user(), (FIRST,)) == "done"
    assert frames_of(session.out / "target-1") == [0, 1, 2]


def test_rate_and_age() -> None:
    meter = Meter()
    assert (meter.fps, meter.latency_ms) == (0.0, None)
    for i in range(1, 101):
        meter.add(i / 20, i / 20 + 0.08)
    assert meter.fps == pytest.approx(20)
    assert meter.latency_ms == pytest.approx(80)


def test_only_the_latest_count() -> None:
    meter = Meter()
    for i in range(1, 101):
        meter.add(i, i + 2)
    for i in range(1, RECENT + 1):
        meter.add(200 + i / 10, 200 + i / 10 + 0.5)
    assert meter.fps == pytest.approx(10)
    assert meter.latency_ms == pytest.approx(500)


def test_a_pause_does_not_count() -> None:
    meter = Meter()
    for i in range(10):
        meter.add(i / 10, i / 10 + 0.01)
    meter.restart(100.0)
    assert (meter.fps, meter.latency_ms) == (0.0, None)
    meter.add(1.0, 100.1)  # lay waiting through the pause
    assert meter.latency_ms is None
    meter.add(100.15, 100.2)
    assert meter.fps == pytest.approx(10)
    assert meter.latency_ms == pytest.approx(50)
