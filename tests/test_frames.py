import cv2
import numpy as np
import pytest

from siamtrack.errors import OutputError
from siamtrack.frames import as_bgr, encoded, used_bits

GRAY = np.arange(48, dtype=np.uint8).reshape(6, 8)
BGR = np.dstack([GRAY, GRAY + 1, GRAY + 2])


def test_bgr_is_passed_through_untouched() -> None:
    assert as_bgr(BGR) is BGR


def test_gray_becomes_three_equal_channels() -> None:
    for frame in (GRAY, GRAY[..., None]):
        assert (as_bgr(frame) == GRAY[..., None]).all()


def test_alpha_is_dropped() -> None:
    assert (as_bgr(np.dstack([BGR, np.full_like(GRAY, 7)])) == BGR).all()


def test_sixteen_bits_keep_their_upper_eight() -> None:
    assert (as_bgr(BGR.astype(np.uint16) * 256 + 255) == BGR).all()


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_of_sixteen_bits_fewer_may_be_used(bits: int) -> None:
    frame = np.array([[0, (1 << bits) - 1, (1 << bits) // 2]], np.uint16)
    assert used_bits(frame) == bits
    assert as_bgr(frame, bits)[0, :, 0].tolist() == [0, 255, 128]
    assert as_bgr(np.full((1, 1), 65535, np.uint16), bits)[0, 0].tolist() == [255] * 3  # clipped
    assert used_bits(np.zeros((2, 2), np.uint16)) == 8


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (BGR.astype(np.float32), "dtype float32"),
        (BGR.astype(np.int64), "dtype int64"),
        (BGR[None], "shape"),
        (np.zeros((4, 4, 2), np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (None, "NoneType"),
        ("frame.png", "str"),
    ],
)
def test_other_frames_are_refused(frame: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_bgr(frame)


def test_an_image_becomes_a_file_that_holds_it() -> None:
    assert (cv2.imdecode(np.frombuffer(encoded(BGR, ".png"), np.uint8), cv2.IMREAD_COLOR) == BGR).all()
    assert len(encoded(BGR, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 100)) > len(encoded(BGR, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 10))


def test_what_a_file_cannot_hold_is_said_and_not_written_empty() -> None:
    with pytest.raises(OutputError, match=r"70000x2 pixels cannot be encoded as \.jpg"):
        encoded(np.zeros((2, 70_000, 3), np.uint8), ".jpg")
