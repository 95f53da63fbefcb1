"""`find_peak` on the device, for many targets at once, and what reads SiamFC's response maps with it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from siamtrack.model.backbone import STRIDE
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.crop import SearchRegion
from siamtrack.tracking.device.evidence import peak_gaps
from siamtrack.tracking.locator import Sighting, View
from siamtrack.tracking.peak import hann_window


class PeakReader:
    """Reads one response map an exemplar scale: the device's part of `ScaleLocator.find` for `scale_search: exemplar`.

    Args:
        graphs: the network's, by name. device: where they are.
        config: the tracker's constants.
    """

    def __init__(self, graphs: Mapping[str, nn.Module], config: TrackerConfig, device: torch.device) -> None:
        self._graph, self._config, self._scales = graphs["match"], config, config.scales.tolist()
        self._window = torch.from_numpy(hann_window(config.response_size)).to(device)
        self._penalties = torch.from_numpy(config.penalties).to(device)

    def read(self, exemplar: Tensor, kernel: Tensor, search: Tensor, looks: Tensor) -> Tensor:
        """(N, 7), see `find_peaks`."""
        response: Tensor = self._graph(exemplar, search)
        return find_peaks(response, self._penalties, self._window, looks[:, 4])

    def sighting(self, view: View, window: SearchRegion, found: list[float]) -> Sighting:
        """The size follows the scale that won."""
        scale, _, _, dx, dy, value, gap = found
        middle, damping = window.size / 2, self._config.scale_damping
        growth = (1 - damping) + damping * self._scales[int(scale)]
        return Sighting(window.to_frame(middle + dx * STRIDE, middle + dy * STRIDE), (growth, growth), value, gap)


def find_peaks(response: Tensor, penalty: Tensor, window: Tensor, influence: Tensor) -> Tensor:
    """Choose scale and cell a target, then fit the peak between cells: `find_peak_numpy`, step by step, for N targets.

    Args:
        response: (N, K, n, n) float32. penalty: (K,). window: (n, n), sums to one.
        influence: (N,) share of the window in the mix, 0..1.

    Returns:
        (N, 7) float64, a `Peak` a row: scale, row, column, dx, dy; then value and gap of `Evidence`.
    """
    size = response.shape[-1]
    lowest = response.amin((1, 2, 3))
    scale = ((response.amax((2, 3)) - lowest[:, None]) * penalty).argmax(1)
    each = scale[:, None, None, None].expand(-1, 1, size, size)
    chosen = response.gather(1, each)[:, 0].double()
    raised = chosen - chosen.amin((1, 2), keepdim=True)
    total = raised.sum((1, 2), keepdim=True)
    share = raised / total.clamp(min=torch.finfo(total.dtype).tiny)  # a flat map: nothing over next to nothing
    influence = influence[:, None, None]
    mixed = ((1 - influence) * share + influence * window.double()).flatten(1)
    best = mixed.argmax(1)
    row, column = best.div(size, rounding_mode="floor"), best.remainder(size)
    dx = column + _vertex(mixed, best, 1, (column > 0) & (column < size - 1)) - (size - 1) / 2
    dy = row + _vertex(mixed, best, size, (row > 0) & (row < size - 1)) - (size - 1) / 2
    value, gap = chosen.flatten(1).gather(1, best[:, None])[:, 0], peak_gaps(chosen, row, column)
    return torch.stack([scale.double(), row.double(), column.double(), dx, dy, value, gap], dim=1)


def _vertex(mixed: Tensor, best: Tensor, stride: int, inner: Tensor) -> Tensor:
    """Top (N,) of the parabola through the best cell and its neighbours, `stride` to each side; 0 where not `inner`."""
    last = mixed.shape[1] - 1
    before, here, after = (mixed.gather(1, (best + k).clamp(0, last)[:, None])[:, 0] for k in (-stride, 0, stride))
    curvature = before - 2 * here + after
    usable = inner & (curvature < 0)
    return 0.5 * (before - after) / curvature.masked_fill(~usable, -1.0) * usable
