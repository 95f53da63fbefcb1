from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from siamtrack.tracking.device.evidence import peak_gaps
from siamtrack.tracking.evidence import peak_gap, peak_gap_numpy

maps = st.integers(5, 19).flatmap(lambda n: npst.arrays(np.float32, (n, n), elements=st.floats(-30, 30, width=32)))


def peak_of(response: np.ndarray) -> tuple[int, int]:
    return divmod(int(response.argmax()), response.shape[1])


@given(maps)
def test_kernel_device_and_numpy_agree(response: np.ndarray) -> None:
    row, column = peak_of(response)
    slow = peak_gap_numpy(response, row, column)
    (device,) = peak_gaps(torch.from_numpy(response[None]).double(), torch.tensor([row]), torch.tensor([column])).tolist()
    assert peak_gap(response, row, column) == device == slow


def test_a_twin_further_off_closes_the_gap_and_a_shoulder_does_not() -> None:
    lone = np.random.default_rng(0).normal(size=(13, 13)).astype(np.float32)
    lone[4, 4] = 12.0
    twin, shoulder = lone.copy(), lone.copy()
    twin[4, 9], shoulder[4, 5] = 11.5, 11.5
    assert peak_gap_numpy(twin, 4, 4) == pytest.approx(0.5)
    assert peak_gap_numpy(shoulder, 4, 4) == peak_gap_numpy(lone, 4, 4) > 8


def test_a_map_without_sidelobes_has_no_gap() -> None:
    assert peak_gap_numpy(np.eye(5, dtype=np.float32), 2, 2) == 0
