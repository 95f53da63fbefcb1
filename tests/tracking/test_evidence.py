from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from siamtrack.tracking.device.evidence import measure as measure_on_device
from siamtrack.tracking.evidence import Evidence, measure, measure_numpy

maps = st.integers(5, 19).flatmap(lambda n: npst.arrays(np.float32, (n, n), elements=st.floats(-30, 30, width=32)))


def peak_of(response: np.ndarray) -> tuple[int, int]:
    return divmod(int(response.argmax()), response.shape[1])


def evidence(response: np.ndarray) -> Evidence:
    found = measure_numpy(response, *peak_of(response))
    return Evidence(found[0], *found)


@given(maps)
def test_kernel_device_and_numpy_agree(response: np.ndarray) -> None:
    row, column = peak_of(response)
    slow = measure_numpy(response, row, column)
    (device,) = measure_on_device(torch.from_numpy(response[None]).double(), torch.tensor([row]), torch.tensor([column]))
    for fast in (measure(response, row, column), device.tolist()):
        assert fast[0] == slow[0]
        assert fast[2:] == pytest.approx(slow[2:], abs=1e-5)
        # The deviation of a flat map is the rounding of its sums: there the ratio is as large as it is meaningless.
        assert fast[1] == pytest.approx(slow[1], rel=1e-3, abs=1e-3) or abs(slow[1]) > 1e4


def test_a_lone_peak_stands_out_and_a_flat_map_does_not() -> None:
    flat = np.zeros((13, 13), np.float32)
    lone = flat.copy()
    lone[4, 7] = 20.0
    assert evidence(flat).gap == evidence(flat).psr == 0
    assert evidence(flat).entropy == pytest.approx(2 * math.log(13))
    assert evidence(lone).peak == evidence(lone).gap == 20
    assert evidence(lone).psr > 1e6
    assert evidence(lone).entropy == pytest.approx(0, abs=1e-5)


def test_a_twin_further_off_closes_the_gap_and_a_shoulder_does_not() -> None:
    lone = np.random.default_rng(0).normal(size=(13, 13)).astype(np.float32)
    lone[4, 4] = 12.0
    twin, shoulder = lone.copy(), lone.copy()
    twin[4, 9], shoulder[4, 5] = 11.5, 11.5
    assert evidence(twin).gap == pytest.approx(0.5)
    assert evidence(shoulder).gap == pytest.approx(evidence(lone).gap)
    assert evidence(twin).psr < evidence(lone).psr


def test_a_map_without_sidelobes_is_measured_all_the_same() -> None:
    found = measure_numpy(np.eye(5, dtype=np.float32), 2, 2)
    assert found[:3] == (1, 0, 0)
