import numpy as np
import pytest

from siamtrack.frames import as_bgr

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
