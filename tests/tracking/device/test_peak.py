from __future__ import annotations

import numpy as np
import pytest
import torch

from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.device.peak import find_peaks
from siamtrack.tracking.peak import find_peak, find_peak_numpy, hann_window

WINDOW = hann_window(17)
WINDOW_TENSOR = torch.from_numpy(WINDOW)


@pytest.mark.parametrize("influence", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("scales", [1, 3, 5])
def test_peaks_are_those_of_both_twins(influence: float, scales: int) -> None:
    penalty = TrackerConfig(scale_count=scales).penalties
    responses = np.random.default_rng(scales).normal(-3, 4, (200, scales, 17, 17)).astype(np.float32)
    found = find_peaks(
        torch.from_numpy(responses), torch.from_numpy(penalty), WINDOW_TENSOR, torch.full((200,), influence)
    ).numpy()
    for row, response in zip(found, responses, strict=True):
        for twin in (find_peak, find_peak_numpy):
            assert row[:5] == pytest.approx(tuple(twin(response, penalty, WINDOW, influence)), abs=1e-6)


def test_peaks_on_the_border_and_flat_maps() -> None:
    maps = np.zeros((6, 1, 17, 17), np.float32)
    for response, cell in zip(maps, [(0, 0), (0, 9), (16, 16), (4, 16), (8, 8)], strict=False):
        response[0][cell] = 3  # the sixth stays flat
    penalty = np.ones(1, np.float32)
    found = find_peaks(torch.from_numpy(maps), torch.from_numpy(penalty), WINDOW_TENSOR, torch.full((6,), 0.1)).numpy()
    for row, response in zip(found, maps, strict=True):
        assert row[:5] == pytest.approx(tuple(find_peak_numpy(response, penalty, WINDOW, 0.1)), abs=1e-6)
