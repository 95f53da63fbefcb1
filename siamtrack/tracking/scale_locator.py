"""SiamFC's own way to find a target: one response map a scale, the highest peak wins (arXiv 1606.09549, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from siamtrack.model.backbone import STRIDE
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.crop import SearchRegion
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.evidence import peak_gap
from siamtrack.tracking.exemplar import embed_exemplars
from siamtrack.tracking.locator import Exemplar, Sighting, View, exemplar_size_wh, together
from siamtrack.tracking.peak import find_peak, hann_window


class ScaleLocator:
    """Position from the peak of the response, size from the scale whose peak is highest.

    Args:
        engine: runs the network.
        config: the tracker's constants; `scale_search` says on which side the scales are.
    """

    def __init__(self, engine: Engine, config: TrackerConfig) -> None:
        self.engine = engine
        self.config = config
        self._window = hann_window(config.response_size)
        self._scales, self._penalties = config.scales, config.penalties

    @torch.inference_mode()
    def learn(self, view: View) -> Exemplar:
        """Exemplar embeddings (1, K, C, 6, 6): one a scale, or one alone in the paper's form."""
        scales = self._scales if self.config.scale_search == "exemplar" else np.ones(1)
        embedding = embed_exemplars(self.engine, self.config, view, scales.tolist())
        # Equal norms: else the busiest crop, not the best match, would win the scale search.
        norm = embedding.flatten(1).norm(dim=1)[:, None, None, None]
        embedding = embedding * (norm[len(scales) // 2] / norm.clamp(min=1e-12))
        return Exemplar(embedding[None].contiguous(), torch.empty(1, 0), exemplar_size_wh(view, self.config.exemplar_size))

    @torch.inference_mode()
    def find(self, exemplars: Sequence[Exemplar], views: Sequence[View]) -> list[Sighting]:
        """Where is each target, and how large? The response says both."""
        windows = [self._windows(view) for view in views]
        crops = [one.extract(view.image, view.fill) for view, each in zip(views, windows, strict=True) for one in each]
        exemplar = together([exemplar.embedding for exemplar in exemplars])
        if self.config.scale_search == "search":  # K search regions a target, all with its one exemplar
            exemplar = exemplar.repeat_interleave(self.config.scale_count, dim=0)
        response = self.engine.match(exemplar, crops).reshape(
            len(views), self.config.scale_count, *[self.config.response_size] * 2
        )
        return [self._sighting(*each) for each in zip(views, windows, response, strict=True)]

    def _windows(self, view: View) -> list[SearchRegion]:
        """The search regions of one target: one, or one a scale."""
        scales = np.ones(1) if self.config.scale_search == "exemplar" else self._scales
        return [SearchRegion(view.center_xy, view.side * float(scale), self.config.search_size) for scale in scales]

    def _sighting(self, view: View, windows: list[SearchRegion], response: NDArray[np.float32]) -> Sighting:
        """The highest of the response maps (K, n, n), one a scale, and what its peak says."""
        peak = find_peak(response, self._penalties, self._window, view.window_influence)
        window = windows[peak.scale] if len(windows) > 1 else windows[0]
        middle = window.size / 2
        center_xy = window.to_frame(middle + peak.dx * STRIDE, middle + peak.dy * STRIDE)
        damping = self.config.scale_damping
        growth = (1 - damping) + damping * float(self._scales[peak.scale])
        chosen = response[peak.scale]
        gap = float(peak_gap(chosen, peak.row, peak.column))
        return Sighting(center_xy, (growth, growth), float(chosen[peak.row, peak.column]), gap)
