from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendered import rendered_frame

from siamtrack.live.web.jpeg import MAX_PIXELS, PictureError, decode_jpeg, encode_jpeg, jpeg_size

FRAME = rendered_frame(0)[0]
GOOD = encode_jpeg(FRAME, 960, 90)


def claimed(width: int, height: int, marker: int = 0xC0, data: bytes = GOOD) -> bytes:
    """A picture whose header claims another size."""
    at = data.index(b"\xff\xc0")
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return data[: at + 1] + bytes([marker]) + data[at + 2 : at + 5] + size + data[at + 9 :]


def test_a_picture_survives_the_way() -> None:
    assert jpeg_size(GOOD) == (320, 240)
    assert np.abs(decode_jpeg(GOOD).astype(int) - FRAME).mean() < 6


def test_a_large_frame_is_sent_smaller_and_a_small_one_as_it_is() -> None:
    assert jpeg_size(encode_jpeg(cv2.resize(FRAME, (1920, 1080)), 1280, 80)) == (1280, 720)
    assert jpeg_size(encode_jpeg(np.zeros((3000, 10, 3), np.uint8), 1280, 80)) == (4, 1280)
    assert jpeg_size(encode_jpeg(np.zeros((10, 1, 3), np.uint8), 1280, 80)) == (1, 10)


@pytest.mark.parametrize("options", [[cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 4]])
def test_what_cameras_and_browsers_make_is_read(options: list[int]) -> None:
    data = cv2.imencode(".jpg", FRAME, options)[1].tobytes()
    assert decode_jpeg(data).shape == FRAME.shape
    gray = cv2.imencode(".jpg", FRAME[..., 0])[1].tobytes()
    assert decode_jpeg(gray).shape == FRAME.shape


def test_a_rotation_flag_is_ignored() -> None:
    # The browser's own canvas is upright already, and boxes are in its pixels.
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    turned = GOOD[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + GOOD[2:]
    assert decode_jpeg(turned).shape == FRAME.shape


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "no JPEG"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "no JPEG"),
        (b"\xff\xd8", "damaged or cut off"),
        (b"\xff\xd8\xff\xd9", "damaged or cut off"),
        (b"\xff\xd8" + b"\xff" * 5000, "damaged or cut off"),
        (b"\xff\xd8\xff\xe0\x00\x00" + bytes(100), "damaged or cut off"),
        (GOOD[: len(GOOD) // 2], "cut off"),
        (claimed(0, 240), "0x240"),
        (claimed(320, 0), "320x0"),
        (claimed(65535, 65535), "65535x65535"),
        (claimed(4097, 100), "4097x100"),
        (claimed(4000, 3001), f"{MAX_PIXELS} pixels"),
        (claimed(320, 240, 0xC3), "lossless"),
        (claimed(320, 240, 0xC9), "arithmetic"),
        (GOOD[:2] + b"\xff\x00\x00\x10" + bytes(14) + GOOD[2:], "damaged"),  # a segment that decoders do not skip
        (GOOD[:-2] + b"\xff\xda" * 40 + b"\xff\xd9", "scans"),
    ],
)
def test_bad_pictures_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch, data: bytes, problem: str) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(PictureError) as caught:
        decode_jpeg(data)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=400), st.booleans())
def test_no_bytes_do_harm(data: bytes, like_a_jpeg: bool) -> None:
    try:
        decode_jpeg(b"\xff\xd8" * like_a_jpeg + data)
    except PictureError:
        return


@given(st.lists(st.tuples(st.integers(2, len(GOOD) - 3), st.integers(0, 255)), min_size=1, max_size=20))
def test_damage_does_no_harm(flips: list[tuple[int, int]]) -> None:
    damaged = bytearray(GOOD)
    for at, value in flips:
        damaged[at] = value
    try:
        image = decode_jpeg(bytes(damaged))
    except PictureError:
        return
    assert image.ndim == 3
