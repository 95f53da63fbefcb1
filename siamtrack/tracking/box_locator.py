"""How models with a box head find a target: the correlation says where, the head how large (arXiv 1911.06188, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from siamtrack.model.backbone import STRIDE
from siamtrack.tracking.crop import CropWindow
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.exemplar import embed_exemplars
from siamtrack.tracking.locator import Exemplar, Pair, Sighting, View, exemplar_size_wh, together
from siamtrack.tracking.peak import hann_window
from siamtrack.tracking.runtimes.runtime import BoxResponse
from siamtrack.tracking.settings import TrackerConfig


class Offer(NamedTuple):
    """The chosen cell's box, in pixels of the search crop.

    Attributes:
        center_xy: from the crop's middle. size_wh: of the box.
        trust: 0..1, class times quality times penalty: how much of the new size is believed.
        value: log-odds of class times quality: no penalty, no window.
    """

    center_xy: Pair
    size_wh: Pair
    trust: float
    value: float


class BoxLocator:
    """Position and size from the box head, one search region a frame.

    Args:
        engine: runs a network with a box head.
        config: the tracker's constants.
    """

    def __init__(self, engine: Engine, config: TrackerConfig) -> None:
        self.engine = engine
        self.config = config
        self._window = hann_window(config.response_size)

    @torch.inference_mode()
    def learn(self, view: View) -> Exemplar:
        """Exemplar embedding (1, 1, C, 6, 6), the head's kernel, and the target's size in the exemplar crop."""
        embedding = embed_exemplars(self.engine, self.config, view)
        size_wh = exemplar_size_wh(view, self.config.exemplar_size)
        return Exemplar(embedding[None].contiguous(), self.engine.box_kernel(embedding), size_wh)

    @torch.inference_mode()
    def find(self, exemplars: Sequence[Exemplar], views: Sequence[View]) -> list[Sighting]:
        """Take each target's best offer."""
        windows = [CropWindow(view.center_xy, view.side, self.config.search_size) for view in views]
        search = self.engine.embed([one.extract(view.image, view.fill) for view, one in zip(views, windows, strict=True)])
        responses = self.engine.match_box(
            together([exemplar.embedding for exemplar in exemplars])[:, 0],
            together([exemplar.kernel for exemplar in exemplars]),
            search,
            together([exemplar.size_wh for exemplar in exemplars]),
        )
        return [self._sighting(*each) for each in zip(views, windows, responses, strict=True)]

    def _sighting(self, view: View, window: CropWindow, response: BoxResponse) -> Sighting:
        """The size follows the best offer as far as it is trusted."""
        width, height = (length / window.scale for length in view.size_wh)
        config = self.config
        offer = best_offer(response, (width, height), self._window, config.window_influence, config.size_penalty)
        middle = window.size / 2
        share = config.scale_damping * offer.trust
        growth_wh = (
            1 - share + share * offer.size_wh[0] / width,
            1 - share + share * offer.size_wh[1] / height,
        )
        return Sighting(window.to_frame(middle + offer.center_xy[0], middle + offer.center_xy[1]), growth_wh, offer.value)


def best_offer(
    response: BoxResponse, size_wh: Pair, window: NDArray[np.float32], influence: float, size_penalty: float, reach: int = 1
) -> Offer:
    """Choose a cell, and read its box.

    1. *Where* is SiamFC's own question: its response, shifted to begin at 0 and normalised to sum to one, is mixed with
       the window. The class map is no better judge of it: on quickly moving targets of val it lost more of them
       (first 60 frames of five sequences: AO 0.397 by class times quality, 0.457 by the response).
    2. A cell counts less the more its box changes scale or shape, by `exp(-size_penalty * (change of scale * change of
       shape - 1))`: between two frames a target hardly changes (SiamRPN, Li et al., CVPR 2018, section 4.3).
    3. *How large* is the box head's: the mean of the chosen cell's box and its neighbours', weighed by class times quality.

    Args:
        response: of one search region.
        size_wh: the target's present size, pixels of the search crop.
        window: (n, n), sums to one. influence: its share, 0..1.
        size_penalty: 0 for none.
        reach: cells to each side whose boxes are averaged; 0 for the best cell alone.
    """
    score = _sigmoid(response.target) * _sigmoid(response.quality)
    left, top, right, bottom = response.distances
    width, height = left + right, top + bottom
    growth = _extent(width, height) / _extent(*size_wh)
    turn = (width / height) / (size_wh[0] / size_wh[1])
    change = np.maximum(growth, 1 / growth) * np.maximum(turn, 1 / turn)
    penalty = np.exp(-size_penalty * (change - 1))
    likely = response.response - response.response.min()
    likely = likely * penalty / max(float(likely.sum()), 1e-12)
    row, column = divmod(int(np.argmax((1 - influence) * likely + influence * window)), score.shape[1])
    trusted = score * penalty
    # The best cell's neighbours saw the same target from a step aside: their mean is steadier than any one of them.
    beside = slice(max(0, row - reach), row + reach + 1), slice(max(0, column - reach), column + reach + 1)
    weight = trusted[beside] + 1e-12  # where nothing is trusted, all are trusted alike
    weight = weight / weight.sum()
    cells = STRIDE * (np.arange(score.shape[1]) - (score.shape[1] - 1) / 2)
    across, down = cells[None, beside[1]], cells[beside[0], None]
    x1, x2 = (float((weight * side).sum()) for side in (across - left[beside], across + right[beside]))
    y1, y2 = (float((weight * side).sum()) for side in (down - top[beside], down + bottom[beside]))
    certain = float(np.clip(score[row, column], 1e-6, 1 - 1e-6))
    return Offer(
        ((x1 + x2) / 2, (y1 + y2) / 2), (x2 - x1, y2 - y1), float(trusted[row, column]), float(np.log(certain / (1 - certain)))
    )


def _extent(width: Any, height: Any) -> Any:
    """Side of the context square: what the search region follows, hence what must not jump."""
    context = (width + height) / 2
    return np.sqrt((width + context) * (height + context))


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -50, 50))), np.float32)
