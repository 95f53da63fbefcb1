"""`best_offer` on the device, for many targets at once, and what reads a box head's maps with it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from siamtrack.errors import ConfigError
from siamtrack.model.backbone import STRIDE
from siamtrack.tracking.crop import CropWindow
from siamtrack.tracking.device.evidence import peak_gaps
from siamtrack.tracking.locator import Sighting, View
from siamtrack.tracking.peak import hann_window
from siamtrack.tracking.settings import TrackerConfig


class OfferReader:
    """Reads the box head: the device's part of `BoxLocator.find`.

    Args:
        graphs: the network's, by name. device: where they are.
        config: the tracker's constants.

    Raises:
        ConfigError: the network has no box head.
    """

    def __init__(self, graphs: Mapping[str, nn.Module], config: TrackerConfig, device: torch.device) -> None:
        if "box" not in graphs:
            raise ConfigError("scale_search 'box' needs a model with a box head, such as siamfc-box; or use 'exemplar'")
        self._graph, self._config = graphs["box"], config
        self._window = torch.from_numpy(hann_window(config.response_size)).to(device)

    def read(self, exemplar: Tensor, kernel: Tensor, search: Tensor, looks: Tensor) -> Tensor:
        """(N, 7), see `best_offers`."""
        response, target, quality, distances = self._graph(exemplar[:, 0], kernel, search, looks[:, :2].float())
        maps = (response, target, quality, distances)
        return best_offers(maps, looks[:, 2:4], self._window, looks[:, 4], self._config.size_penalty)

    def sighting(self, view: View, window: CropWindow, found: list[float]) -> Sighting:
        """The size follows the offer as far as it is trusted."""
        x, y, w, h, trust, value, gap = found
        middle = window.size / 2
        share = self._config.scale_damping * trust
        growth_w, growth_h = (
            1 - share + share * length * window.scale / present for length, present in zip((w, h), view.size_wh, strict=True)
        )
        return Sighting(window.to_frame(middle + x, middle + y), (growth_w, growth_h), value, gap)


def best_offers(
    maps: tuple[Tensor, Tensor, Tensor, Tensor],
    size_wh: Tensor,
    window: Tensor,
    influence: Tensor,
    size_penalty: float,
    reach: int = 1,
) -> Tensor:
    """Choose a cell a target and read its box: `best_offer`, which has the reasons, for N targets.

    In double precision as there, so that among near equals both choose the same cell: a few hundred cells a target
    take no time even where a GPU is slow at it.

    Args:
        maps: response, target and quality logits (N, n, n), distances (N, 4, n, n).
        size_wh: (N, 2) float64, the targets' present sizes, pixels of the search crop.
        window: (n, n), sums to one. influence: (N,) its share, 0..1.
        size_penalty: 0 for none.
        reach: cells to each side whose boxes are averaged; 0 for the best cell alone.

    Returns:
        (N, 7) float64, an `Offer` a row: centre x and y from the crop's middle, width, height, trust, value, gap.
    """
    response, target, quality, distances = (each.double() for each in maps)
    score = _sigmoid(target) * _sigmoid(quality)
    count, size = score.shape[0], score.shape[-1]
    left, top, right, bottom = distances.unbind(1)
    width, height = left + right, top + bottom
    present_w, present_h = size_wh[:, 0, None, None], size_wh[:, 1, None, None]
    growth = _extent(width, height) / _extent(present_w, present_h)
    turn = (width / height) / (present_w / present_h)
    change = torch.maximum(growth, 1 / growth) * torch.maximum(turn, 1 / turn)
    penalty = torch.exp(-size_penalty * (change - 1))
    likely = response - response.amin((1, 2), keepdim=True)
    likely = likely * penalty / likely.sum((1, 2), keepdim=True).clamp(min=1e-12)
    share = influence[:, None, None]
    best = ((1 - share) * likely + share * window).flatten(1).argmax(1)
    row, column = best.div(size, rounding_mode="floor"), best.remainder(size)

    trusted = (score * penalty).flatten(1)
    near = torch.arange(-reach, reach + 1, device=best.device)
    rows, columns = (row[:, None, None] + near[:, None]), (column[:, None, None] + near)  # (N, r, 1), (N, 1, r)
    there = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
    beside = (rows.clamp(0, size - 1) * size + columns.clamp(0, size - 1)).flatten(1)
    weight = (trusted.gather(1, beside) + 1e-12) * there.flatten(1)
    weight = weight / weight.sum(1, keepdim=True)
    across, down = (
        STRIDE * (cells.expand(count, 2 * reach + 1, 2 * reach + 1).flatten(1) - (size - 1) / 2) for cells in (columns, rows)
    )
    sides = distances.flatten(2).gather(2, beside[:, None].expand(-1, 4, -1)).unbind(1)
    x1, y1, x2, y2 = (
        (weight * edge).sum(1) for edge in (across - sides[0], down - sides[1], across + sides[2], down + sides[3])
    )
    certain = score.flatten(1).gather(1, best[:, None])[:, 0].clamp(1e-6, 1 - 1e-6)
    trust = trusted.gather(1, best[:, None])[:, 0]
    gap = peak_gaps(response, row, column)
    return torch.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, trust, torch.logit(certain), gap], dim=1)


def _extent(width: Tensor, height: Tensor) -> Tensor:
    """Side of the context square."""
    context = (width + height) / 2
    return ((width + context) * (height + context)).sqrt()


def _sigmoid(logits: Tensor) -> Tensor:
    return logits.clamp(-50, 50).sigmoid()
