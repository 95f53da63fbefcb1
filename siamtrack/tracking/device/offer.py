"""The choice of a cell and its box on the device, for many targets at once, and what reads a box head's maps with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from siamtrack.errors import ConfigError
from siamtrack.model.backbone import STRIDE
from siamtrack.tracking.box_locator import sighting_of
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.crop import SearchRegion
from siamtrack.tracking.device.evidence import cells_away, peak_gaps
from siamtrack.tracking.locator import Sighting, View
from siamtrack.tracking.offer import Offer
from siamtrack.tracking.other_peaks import APART, COUNT, SHARE
from siamtrack.tracking.peak import hann_window


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
        """(N, (1 + COUNT) * 8): an `Offer` and its height a peak, the chosen one first; without rivals that one alone."""
        response, target, quality, distances = self._graph(exemplar[:, 0], kernel, search, looks[:, :2].float())
        maps = Maps.of(response, target, quality, distances, looks[:, 2:4], self._config.size_penalty)
        cells = choose_cells(maps, self._window, looks[:, 4])[:, None]
        heights = torch.ones_like(cells, dtype=torch.float64)
        if self._config.follow_rivals:
            others, other_heights = other_cells(maps.response, cells[:, 0])
            cells, heights = torch.cat([cells, others], 1), torch.cat([heights, other_heights], 1)
        return torch.cat([offers_at(maps, cells), heights[..., None]], -1).flatten(1)

    def sighting(self, view: View, window: SearchRegion, found: list[float]) -> Sighting:
        """As the host makes one of the same offers; other peaks of no height are slots that stayed free."""
        peaks = [found[i : i + 8] for i in range(0, len(found), 8)]
        peaks = [peak for i, peak in enumerate(peaks) if i == 0 or peak[7] > 0]
        offers, heights = [Offer(*peak[:7]) for peak in peaks], [peak[7] for peak in peaks]
        return sighting_of(offers, heights, view, window, self._config.scale_damping)


class Maps(NamedTuple):
    """What the box head says of N search regions, in double precision as on the host.

    So among near equals both choose the same cell; a few hundred cells a target take no time even where a GPU is slow at it.

    Attributes:
        response, score, penalty: (N, n, n); score is class times quality, penalty what a change of size or shape costs.
        distances: (N, 4, n, n).
    """

    response: Tensor
    score: Tensor
    penalty: Tensor
    distances: Tensor

    @staticmethod
    def of(response: Tensor, target: Tensor, quality: Tensor, distances: Tensor, size_wh: Tensor, size_penalty: float) -> Maps:
        """From the head's outputs.

        Args:
            response, target, quality: logits (N, n, n). distances: (N, 4, n, n).
            size_wh: (N, 2) float64, the targets' present sizes, pixels of the search crop.
            size_penalty: 0 for none.
        """
        response, target, quality, distances = (each.double() for each in (response, target, quality, distances))
        left, top, right, bottom = distances.unbind(1)
        width, height = left + right, top + bottom
        present_w, present_h = size_wh[:, 0, None, None], size_wh[:, 1, None, None]
        growth = _extent(width, height) / _extent(present_w, present_h)
        turn = (width / height) / (present_w / present_h)
        change = torch.maximum(growth, 1 / growth) * torch.maximum(turn, 1 / turn)
        penalty = torch.exp(-size_penalty * (change - 1))
        return Maps(response, _sigmoid(target) * _sigmoid(quality), penalty, distances)


def choose_cells(maps: Maps, window: Tensor, influence: Tensor) -> Tensor:
    """(N,) int64 index of each target's cell: `choose_cell`, which has the reasons, for N targets.

    Args:
        maps: of N search regions. window: (n, n), sums to one. influence: (N,) its share, 0..1.
    """
    likely = maps.response - maps.response.amin((1, 2), keepdim=True)
    likely = likely * maps.penalty / likely.sum((1, 2), keepdim=True).clamp(min=1e-12)
    share = influence[:, None, None]
    return ((1 - share) * likely + share * window).flatten(1).argmax(1)


def offers_at(maps: Maps, cells: Tensor, reach: int = 1) -> Tensor:
    """Read the boxes of M cells a target: `offer_at` for N times M cells.

    Args:
        maps: of N search regions. cells: (N, M) int64.
        reach: cells to each side whose boxes are averaged; 0 for the cell alone.

    Returns:
        (N, M, 7) float64, an `Offer` a cell: centre x and y from the crop's middle, width, height, trust, value, gap.
    """
    size = maps.score.shape[-1]
    (count, each), near = cells.shape, torch.arange(-reach, reach + 1, device=cells.device)
    row, column = cells.div(size, rounding_mode="floor"), cells.remainder(size)
    square = (count, each, len(near), len(near))
    rows = (row[..., None, None] + near[:, None]).expand(square).flatten(2)
    columns = (column[..., None, None] + near).expand(square).flatten(2)
    there = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
    beside = (rows.clamp(0, size - 1) * size + columns.clamp(0, size - 1)).flatten(1)

    def read(values: Tensor) -> Tensor:
        """(N, M, r * r) values of maps (N, n, n) around the cells."""
        return values.flatten(1).gather(1, beside).view(there.shape)

    trusted = maps.score * maps.penalty
    weight = (read(trusted) + 1e-12) * there
    weight = weight / weight.sum(-1, keepdim=True)
    across, down = (STRIDE * (steps - (size - 1) / 2) for steps in (columns, rows))
    left, top, right, bottom = (read(side) for side in maps.distances.unbind(1))
    x1, y1, x2, y2 = ((weight * edge).sum(-1) for edge in (across - left, down - top, across + right, down + bottom))
    certain = maps.score.flatten(1).gather(1, cells).clamp(1e-6, 1 - 1e-6)
    trust = trusted.flatten(1).gather(1, cells)
    gaps = torch.stack([peak_gaps(maps.response, row[:, i], column[:, i]) for i in range(each)], 1)
    return torch.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, trust, torch.logit(certain), gaps], dim=-1)


def other_cells(response: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """`other_peaks` of N response maps.

    Args:
        response: (N, n, n) float64. chosen: (N,) index of each chosen cell.

    Returns:
        (N, COUNT) indices of cells, and their heights, highest first; free slots have height 0.
    """
    count, size = response.shape[0], response.shape[-1]
    logits = response.flatten(1)
    apart = cells_away(size, chosen.div(size, rounding_mode="floor"), chosen.remainder(size)) >= APART
    around = F.unfold(F.pad(response[:, None], (1, 1, 1, 1), value=-torch.inf), 3)  # (N, 9, n * n), with the cell itself
    highest = (around < logits[:, None]).sum(1) == 8
    mean = logits.mean(1, keepdim=True)
    stands_out = logits.gather(1, chosen[:, None]) - mean
    heights = (logits - mean) / stands_out.where(stands_out > 0, torch.inf)
    heights = heights * (apart.view(count, -1) & highest & (heights >= SHARE))
    found = heights.topk(COUNT, dim=1)
    return found.indices, found.values


def _extent(width: Tensor, height: Tensor) -> Tensor:
    """Side of the context square."""
    context = (width + height) / 2
    return ((width + context) * (height + context)).sqrt()


def _sigmoid(logits: Tensor) -> Tensor:
    return logits.clamp(-50, 50).sigmoid()
