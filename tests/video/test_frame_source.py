from __future__ import annotations

import pytest

from siamtrack.video.frame_source import Moment, Seconds, clock, is_passed, is_reached, parse_moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [("75", 75), ("0", 0), ("3s", 3.0), ("2.5s", 2.5), (".5s", 0.5), ("1:02.5", 62.5), ("0:03", 3.0), ("1:00:00", 3600.0)],
)
def test_frames_and_times_are_read(text: str, moment: float) -> None:
    found = parse_moment(text)
    assert found == moment
    assert isinstance(found, Seconds) == isinstance(moment, float)


@pytest.mark.parametrize("text", ["", "s", "-1", "-1s", "1.5", "three", "1:2:3:4", "nan", "nans", "1e3s", "9" * 20, "3 s x"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no frame and no time|is no whole frame; .* ends with an s|is too large"):
        parse_moment(text)


@pytest.mark.parametrize(
    ("moment", "reached", "passed"),
    [(3, True, False), (2, True, True), (4, False, False), (Seconds(0.12), True, False), (Seconds(0.1204), True, False),
     (Seconds(0.1), True, True), (Seconds(0.13), False, False)],
)  # fmt: skip
def test_a_frame_is_before_at_or_behind_a_moment(moment: Moment, reached: bool, passed: bool) -> None:
    assert is_reached(moment, 3, 0.12) is reached
    assert is_passed(moment, 3, 0.12) is passed


def test_times_are_written_as_a_player_shows_them() -> None:
    times = {0: "0:00.0", 3.2: "0:03.2", 59.96: "1:00.0", 62.5: "1:02.5", 3600: "1:00:00.0"}
    assert {time_s: clock(time_s) for time_s in times} == times
