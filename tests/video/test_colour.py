from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from made_videos import picture, write

from siamtrack.video.colour import Converter
from siamtrack.video.stream import VideoSource

# ISO/IEC 23091-2: the parts of red and blue in the luma of each matrix.
_LUMA = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
_RGB = (
    np.array([[255, 255, 255], [0, 0, 0], [128, 128, 128], [200, 30, 40], [30, 180, 60], [40, 50, 210], [220, 200, 30]]) / 255
)
_STEP = 32


def coded(rgb: np.ndarray, matrix: int, full: bool, bits: int) -> list[np.ndarray]:
    """Luma and the two chroma planes of colours, by the standard's formulas."""
    red, blue = _LUMA[matrix]
    r, g, b = np.moveaxis(rgb, -1, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / (2 * (1 - blue)), (r - y) / (2 * (1 - red))
    step, most = 1 << bits - 8, (1 << bits) - 1
    if full:
        return [np.round(plane) for plane in (y * most, u * most + 128 * step, v * most + 128 * step)]
    return [np.round(step * plane) for plane in (16 + 219 * y, 128 + 224 * u, 128 + 224 * v)]


def stripes(bits: int, matrix: int, full: bool, rgb: np.ndarray = _RGB) -> av.VideoFrame:
    """A stripe of each colour, 4:2:0."""
    form = "yuv420p" if bits == 8 else f"yuv420p{bits}le"
    frame = av.VideoFrame(_STEP * len(rgb), _STEP, form)
    image = np.repeat(np.repeat(rgb[None], _STEP, axis=0), _STEP, axis=1)
    for number, (plane, values) in enumerate(zip(frame.planes, coded(image, matrix, full, bits), strict=True)):
        values = values[:: 2 if number else 1, :: 2 if number else 1]
        rows = np.zeros((plane.height, plane.line_size // (1 if bits == 8 else 2)), np.uint8 if bits == 8 else np.uint16)
        rows[:, : plane.width] = values
        plane.update(rows.tobytes())
    frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc = matrix, 2 if full else 1, 1, 1
    return frame


def seen(image: np.ndarray, count: int = len(_RGB)) -> np.ndarray:
    """The colours in the middle of the stripes, RGB."""
    return image[_STEP // 2, _STEP // 2 :: _STEP, ::-1][:count].astype(float)


def converted(frame: av.VideoFrame) -> tuple[np.ndarray, list[str]]:
    told: list[str] = []
    return Converter(told.append).frame(frame), told


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", _LUMA)
def test_colours_are_those_that_were_coded(matrix: int, full: bool, bits: int) -> None:
    image, told = converted(stripes(bits, matrix, full))
    assert np.abs(seen(image) - 255 * _RGB).max() <= 2
    assert told == []


def test_without_a_word_it_is_bt601_of_limited_range() -> None:
    frame = stripes(8, 5, full=False)
    frame.colorspace, frame.color_range = 2, 0
    assert np.abs(seen(converted(frame)[0]) - 255 * _RGB).max() <= 2


@pytest.mark.parametrize(("matrix", "nearest"), [(8, 6), (10, 9), (12, 9), (14, 9), (16, 6), (3, 6), (19, 6)])
def test_a_matrix_that_is_not_known_is_told_and_never_black(matrix: int, nearest: int) -> None:
    frame = stripes(10, nearest, full=False)
    told: list[str] = []
    converter = Converter(told.append)
    for _ in range(3):
        frame.colorspace = matrix
        assert np.abs(seen(converter.frame(frame)) - 255 * _RGB).max() <= 2
    assert len(told) == 1
    assert str(matrix) in told[0]


@pytest.mark.parametrize("transfer", [0, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 17, 19])
@pytest.mark.parametrize("primaries", [0, 1, 3, 9, 12, 22])
def test_no_transfer_makes_colours_others(transfer: int, primaries: int) -> None:
    frame = stripes(8, 1, full=False)
    frame.color_trc, frame.color_primaries = transfer, primaries
    image, told = converted(frame)
    assert np.abs(seen(image) - 255 * _RGB).max() <= 2
    assert told == []


@pytest.mark.parametrize(
    "tags",
    [
        {"colorspace": 8},
        {"colorspace": 10, "color_primaries": 9, "color_trc": 14},
        {"colorspace": 14, "color_primaries": 9, "color_trc": 14},
        {"colorspace": 1, "color_primaries": 1, "color_trc": 9},
        {"colorspace": 1, "color_primaries": 1, "color_trc": 10},
    ],
)
def test_such_files_are_read(tmp_path: Path, tags: dict[str, Any]) -> None:
    with VideoSource(write(tmp_path / "a.mp4", pictures=[picture(5)] * 3, **tags)) as source:
        frames = list(source.read())
        assert len(source.notes) == (tags["colorspace"] in (8, 10, 14))
    for frame in frames:
        assert np.abs(frame.image.astype(int).mean(axis=2) - picture(5).mean(axis=2)).mean() < 25


# High dynamic range.

_GRAY = np.repeat(np.linspace(0, 1, 11)[:, None], 3, axis=1)
_PQ, _HLG = 16, 18


@pytest.mark.parametrize("transfer", [_PQ, _HLG])
def test_high_range_becomes_standard_range(transfer: int) -> None:
    frame = stripes(10, 9, False, _GRAY)
    frame.color_trc, frame.color_primaries = transfer, 9
    image, told = converted(frame)
    gray = seen(image, len(_GRAY))
    assert (np.abs(gray - gray[:, :1]) <= 1).all()
    assert (np.diff(gray[:, 0]) >= 0).all()
    assert gray[0, 0] == 0
    assert gray[-1, 0] > 250
    assert told == ["its pictures of high dynamic range are shown in standard range"]


@pytest.mark.parametrize(("transfer", "white"), [(_PQ, 0.5806888), (_HLG, 0.75)])
def test_the_white_of_a_page_is_bright_and_below_the_highlights(transfer: int, white: float) -> None:
    # As of BT.2408, and the rule of the module: 1 becomes 255 * 0.52 ** (1 / 2.2).
    frame = stripes(10, 9, False, np.array([[white] * 3, [1.0] * 3]))
    frame.color_trc = transfer
    gray = seen(converted(frame)[0], 2)
    assert gray[0] == pytest.approx(189, abs=2)
    assert gray[1, 0] > gray[0, 0] + 50


def test_the_colours_of_high_range_keep_their_hue() -> None:
    # 100 cd/m2 of pure BT.709 colours, coded in PQ with the primaries of BT.2020.
    linear = np.array([[0.6274, 0.0691, 0.0164], [0.3293, 0.9195, 0.0880], [0.0433, 0.0114, 0.8956]]) * 0.01
    power = linear**0.1593017578125
    signal = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    frame = stripes(10, 9, False, signal)
    frame.color_trc, frame.color_primaries = _PQ, 9
    image = seen(converted(frame)[0], 3)
    assert image.argmax(axis=1).tolist() == [0, 1, 2]
    assert (np.sort(image, axis=1)[:, 2] > 1.5 * np.sort(image, axis=1)[:, 1]).all()


def test_transparency_is_ignored(tmp_path: Path) -> None:
    frame = av.VideoFrame.from_ndarray(np.dstack([picture(3), np.zeros((64, 96), np.uint8)]), format="bgra")
    image, told = converted(frame)
    assert (image == picture(3)).all()
    assert told == []
