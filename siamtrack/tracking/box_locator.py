"""How models with a box head find a target: the correlation says where, the head how large (arXiv 1911.06188, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from siamtrack.tracking.crop import CropWindow
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.exemplar import embed_exemplars
from siamtrack.tracking.locator import Exemplar, Sighting, View, exemplar_size_wh, together
from siamtrack.tracking.offer import best_offer
from siamtrack.tracking.peak import hann_window
from siamtrack.tracking.runtimes.runtime import BoxResponse
from siamtrack.tracking.settings import TrackerConfig


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
        crops = [window.extract(view.image, view.fill) for view, window in zip(views, windows, strict=True)]
        responses = self.engine.match_box(
            together([exemplar.embedding for exemplar in exemplars])[:, 0],
            together([exemplar.kernel for exemplar in exemplars]),
            crops,
            together([exemplar.size_wh for exemplar in exemplars]),
        )
        return [self._sighting(*each) for each in zip(views, windows, responses, strict=True)]

    def _sighting(self, view: View, window: CropWindow, response: BoxResponse) -> Sighting:
        """The size follows the best offer as far as it is trusted."""
        width, height = (length / window.scale for length in view.size_wh)
        offer = best_offer(response, (width, height), self._window, view.window_influence, self.config.size_penalty)
        middle = window.size / 2
        share = self.config.scale_damping * offer.trust
        growth_wh = (1 - share + share * offer.w / width, 1 - share + share * offer.h / height)
        return Sighting(window.to_frame(middle + offer.x, middle + offer.y), growth_wh, offer.value, offer.gap)
