from __future__ import annotations

from pathlib import Path

import pytest
from rendered import Film, rendered_frame

from siamtrack.boxes import Box
from siamtrack.errors import SourceError
from siamtrack.live.capture import Capture
from siamtrack.live.headless import follow
from siamtrack.live.scene import Scene
from siamtrack.live.session import Session
from siamtrack.tracking.tracker import Tracker

BOX = Box(*rendered_frame(0)[1])


@pytest.fixture
def session(tracker: Tracker, tmp_path: Path) -> Session:
    return Session(tracker.backend, tracker.config, tmp_path)


def test_targets_are_followed_to_the_end_of_a_file(session: Session) -> None:
    scenes: list[Scene] = []
    with Capture(lambda: Film(5)) as capture:
        assert follow(capture, session, [BOX, Box(2, 3, 50, 40)], scenes.append, lambda: False) == "done"
    session.close()
    assert [scene.frame.index for scene in scenes] == [0, 1, 2, 3, 4]
    assert [done.frames for done in session.finished] == [5, 5]


def test_it_stops_when_it_is_told_to(session: Session) -> None:
    scenes: list[Scene] = []
    with Capture(lambda: Film(1000)) as capture:
        assert follow(capture, session, [BOX], scenes.append, lambda: len(scenes) == 3) == "interrupted"
    assert len(scenes) == 3


def test_a_source_that_breaks_off_keeps_what_was_followed(session: Session) -> None:
    with Capture(lambda: Film(4, fails="film tore")) as capture:
        assert follow(capture, session, [BOX], lambda _: None, lambda: False) == "film tore"
    session.close("film tore")
    assert session.finished[0].frames == 4


def test_what_cannot_begin_is_an_error(session: Session) -> None:
    with Capture(lambda: Film(0, fails="film tore")) as capture, pytest.raises(SourceError):
        follow(capture, session, [BOX], lambda _: None, lambda: False)
    with Capture(lambda: Film(4)) as capture, pytest.raises(ValueError, match="outside"):
        follow(capture, session, [Box(900, 900, 5, 5)], lambda _: None, lambda: False)
