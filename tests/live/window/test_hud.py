from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from siamtrack.live.window.hud import Label, Status, Style, draw_help, draw_hud, layout, margins, wrap

SIZES = [(320, 240), (480, 640), (640, 480), (960, 720), (1280, 720), (1920, 1080), (3840, 2160)]

FULL = Status(
    fps=24.9,
    latency_ms=131.4,
    dropped=12345,
    recording_s=754.6,
    paused=True,
    problem="reconnecting: camera 0 gives no more frames; is it still plugged in, or its server up?",
    notice="/home/somebody/videos/of/a/long/name/2024-05-05/screenshot-12.png written",
    hint="drag a box over the target; h: all keys",
)


def overlap(a: Label, b: Label) -> bool:
    return a.x < b.x + b.w and b.x < a.x + a.w and a.y < b.y + b.h and b.y < a.y + a.h


@pytest.mark.parametrize("size_wh", SIZES)
def test_lines_lie_in_the_picture_and_none_on_another(size_wh: tuple[int, int]) -> None:
    labels = layout(FULL, size_wh)
    for label in labels:
        assert min(label.x, label.y) >= 0
        assert label.x + label.w <= size_wh[0]
        assert label.y + label.h <= size_wh[1]
    assert not any(overlap(a, b) for a, b in combinations(labels, 2))
    # However much there is to say, the picture keeps most of its room.
    assert sum(margins(labels, size_wh)) < 0.55 * size_wh[1]


@pytest.mark.parametrize("size_wh", SIZES)
def test_letters_are_large_enough_to_read(size_wh: tuple[int, int]) -> None:
    assert Style.for_picture(size_wh).row >= 12
    assert Style.for_picture(size_wh).row >= 0.025 * size_wh[1] or size_wh[1] > size_wh[0]


def test_everything_is_said() -> None:
    text = [label.text for label in layout(FULL, (1280, 720))]
    assert text[:3] == ["24.9 fps   latency 131 ms   12345 dropped", "REC 12:34", "PAUSED"]
    assert FULL.problem in " ".join(text)
    assert FULL.notice in text
    assert text[-1] == FULL.hint
    assert [label.dot for label in layout(FULL, (1280, 720))].count(True) == 1


def test_nothing_to_say_is_nothing() -> None:
    assert layout(Status(), (640, 480)) == []
    assert margins([], (640, 480)) == (0, 0)
    assert [label.text for label in layout(replace(Status(), fps=25.0), (640, 480))] == ["25.0 fps"]


@pytest.mark.parametrize("ground", [0, 128, 255])
@pytest.mark.parametrize("size_wh", [(320, 240), (1280, 720)])
def test_words_stand_out_from_any_ground(ground: int, size_wh: tuple[int, int]) -> None:
    canvas = np.full((size_wh[1], size_wh[0], 3), ground, np.uint8)
    labels = layout(FULL, size_wh)
    draw_hud(canvas, labels)
    for label in labels:
        drawn = canvas[label.y : label.y + label.h, label.x : label.x + label.w].max(axis=2)
        assert int(drawn.max()) - int(np.median(drawn)) > 120
    free = canvas[margins(labels, size_wh)[0] : size_wh[1] - margins(labels, size_wh)[1]]
    assert (free == ground).all()


@pytest.mark.parametrize("size_wh", [(320, 240), (420, 300), *SIZES])
def test_the_list_of_keys_fits_and_is_seen(size_wh: tuple[int, int]) -> None:
    canvas = np.full((size_wh[1], size_wh[0], 3), 255, np.uint8)
    draw_help(canvas)
    edge = np.concatenate([canvas[0].ravel(), canvas[-1].ravel(), canvas[:, 0].ravel(), canvas[:, -1].ravel()])
    # Its ground ends within the picture, so nothing was cut off.
    assert (edge == 255).all()
    assert (canvas < 60).any()


def test_long_words_are_broken_where_they_must_be() -> None:
    style = Style(0.5)
    lines = wrap("a" * 200, style, 200)
    assert len(lines) == 4
    assert lines[-1].endswith("...")
    assert all(style.width(line) <= 200 for line in lines)


def test_words_are_kept_whole_where_they_can_be() -> None:
    style = Style(0.5)
    text = "the quick brown fox jumps over the lazy dog"
    lines = wrap(text, style, 150)
    assert len(lines) > 1
    assert " ".join(lines) == text
    assert wrap("", style, 150) == []
    assert wrap("x", style, 0) == ["x"]  # ends even where nothing fits
