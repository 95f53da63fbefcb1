from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.errors import DataError
from siamtrack.model.towers import TowerSpec
from siamtrack.verify.inputs import as_batch, picture_input, sequence_input

PICTURES = TowerSpec("cnn", size=32, gray=False)
STROKES = TowerSpec("gru", features=2, length=50)


@given(st.integers(1, 90), st.integers(1, 90), st.booleans())
def test_pictures_of_any_size_become_squares(height: int, width: int, gray: bool) -> None:
    picture = np.full((height, width, 3), (10, 60, 200), np.uint8)
    found = picture_input(picture, TowerSpec("cnn", size=32, gray=gray))
    assert found.shape == (32, 32, 1 if gray else 3)
    if not gray:
        assert (found == (200, 60, 10)).all()  # BGR in, RGB out, and no border of another colour


def test_a_picture_is_not_stretched() -> None:
    tall = np.full((64, 32, 3), 255, np.uint8)
    tall[16:48, 8:24] = 0  # 32 high, 16 wide
    dark = picture_input(tall, PICTURES)[..., 0] < 128
    assert dark.any(axis=1).sum() == 16
    assert dark.any(axis=0).sum() == 8


@given(st.floats(0.01, 100), st.floats(-1e4, 1e4), st.integers(2, 200))
def test_where_and_how_large_somebody_writes_does_not_matter(scale: float, offset: float, rows: int) -> None:
    t = np.linspace(0, 3, rows)
    way = np.column_stack([t, np.sin(t)])
    found, moved = (sequence_input(item.astype(np.float32), STROKES) for item in (way, way * scale + offset))
    assert found.shape == (min(rows, 50), 2)
    # float32 of a small figure far from the origin has few digits left.
    assert np.allclose(found, moved, atol=1e-3 + 1e-6 * abs(offset) / scale)


def test_a_sequence_that_does_not_move_is_no_division_by_zero() -> None:
    assert np.array_equal(sequence_input(np.full((4, 2), 7.0, np.float32), STROKES), np.zeros((4, 2)))
    with pytest.raises(DataError, match="3 columns; the network was made for 2"):
        sequence_input(np.zeros((4, 3), np.float32), STROKES)


def test_batches() -> None:
    (pictures,) = as_batch([np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 9, np.uint8)])
    assert pictures.shape == (2, 3, 8, 8)
    assert pictures.dtype == torch.float32
    rows, lengths = as_batch([np.ones((3, 2), np.float32), np.ones((5, 2), np.float32)])
    assert rows.shape == (2, 5, 2)
    assert lengths.tolist() == [3, 5]
    assert rows[0, 3:].abs().sum() == 0
