"""How models with a box head find a target: the correlation says where, the head how large (arXiv 1911.06188, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.crop import SearchRegion
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.exemplar import embed_exemplars
from siamtrack.tracking.locator import Exemplar, Sighting, View, exemplar_size_wh, together
from siamtrack.tracking.offer import Offer, choose_cell, offer_at
from siamtrack.tracking.other_peaks import OtherPeak, other_peaks
from siamtrack.tracking.peak import hann_window
from siamtrack.tracking.runtimes.runtime import BoxResponse


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
        windows = [SearchRegion(view.center_xy, view.side, self.config.search_size) for view in views]
        crops = [window.extract(view.image, view.fill) for view, window in zip(views, windows, strict=True)]
        responses = self.engine.match_box(
            together([exemplar.embedding for exemplar in exemplars])[:, 0],
            together([exemplar.kernel for exemplar in exemplars]),
            crops,
            together([exemplar.size_wh for exemplar in exemplars]),
        )
        return [self._sighting(*each) for each in zip(views, windows, responses, strict=True)]

    def _sighting(self, view: View, window: SearchRegion, response: BoxResponse) -> Sighting:
        """What is seen in the chosen cell, and, where rivals are followed, at the response's other peaks."""
        config, present_wh = self.config, (view.size_wh[0] / window.scale, view.size_wh[1] / window.scale)
        row, column = choose_cell(response, present_wh, self._window, view.window_influence, config.size_penalty)
        peaks = [OtherPeak(row, column, 1.0)] + (other_peaks(response.response, row, column) if config.follow_rivals else [])
        offers = [offer_at(response, present_wh, (peak.row, peak.column), config.size_penalty) for peak in peaks]
        return sighting_of(offers, [peak.height for peak in peaks], view, window, config.scale_damping)


def sighting_of(
    offers: Sequence[Offer], heights: Sequence[float], view: View, window: SearchRegion, damping: float
) -> Sighting:
    """What offers mean in the frame: the first is the chosen cell's, the others are those of other peaks.

    A size follows its offer as far as that is trusted.

    Args:
        offers: one or more. heights: of their peaks, see `Sighting`.
        view, window: what was looked at, and how it was cut.
        damping: share of the new size where it is trusted wholly.
    """
    middle, seen = window.size / 2, []
    for offer, height in zip(offers, heights, strict=True):
        share = damping * offer.trust
        growth_w, growth_h = (
            1 - share + share * length / (present / window.scale)
            for length, present in zip((offer.w, offer.h), view.size_wh, strict=True)
        )
        center_xy = window.to_frame(middle + offer.x, middle + offer.y)
        seen.append(Sighting(center_xy, (growth_w, growth_h), offer.value, offer.gap, height))
    return replace(seen[0], others=tuple(seen[1:])) if seen[1:] else seen[0]
