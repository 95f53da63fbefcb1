"""SiamFC's own way to find a target: one response map a scale, the highest peak wins (arXiv 1606.09549, section 3.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from siamtrack.model.backbone import STRIDE
from siamtrack.tracking.crop import CropWindow, Image
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.locator import Sighting, View
from siamtrack.tracking.peak import find_peak, hann_window
from siamtrack.tracking.settings import TrackerConfig


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
        self._exemplar = torch.empty(0)

    def learn(self, view: View) -> None:
        """Exemplar embeddings (1, K, C, 6, 6): one a scale, or one alone in the paper's form."""
        # A target grown by s looks like the exemplar cut s times tighter.
        scales = self._scales if self.config.scale_search == "exemplar" else np.ones(1)
        size = self.config.exemplar_size
        crops = [CropWindow(view.center_xy, view.side / scale, size).extract(view.image, view.fill) for scale in scales]
        with torch.inference_mode():
            embedding = self.engine.embed(crops)
            # Equal norms: else the busiest crop, not the best match, would win the scale search.
            norm = embedding.flatten(1).norm(dim=1)[:, None, None, None]
            self._exemplar = (embedding * (norm[len(scales) // 2] / norm.clamp(min=1e-12)))[None]

    def find(self, view: View) -> Sighting:
        """Where is the target, and how large? The response says both."""
        windows = self._windows(view)
        response = self._respond([window.extract(view.image, view.fill) for window in windows])
        peak = find_peak(response, self._penalties, self._window, self.config.window_influence)
        window = windows[peak.scale] if len(windows) > 1 else windows[0]
        middle = window.size / 2
        center_xy = window.to_frame(middle + peak.dx * STRIDE, middle + peak.dy * STRIDE)
        damping = self.config.scale_damping
        growth = (1 - damping) + damping * float(self._scales[peak.scale])
        return Sighting(center_xy, (growth, growth), peak.value)

    def _windows(self, view: View) -> list[CropWindow]:
        """The search regions: one, or one a scale."""
        scales = np.ones(1) if self.config.scale_search == "exemplar" else self._scales
        return [CropWindow(view.center_xy, view.side * float(scale), self.config.search_size) for scale in scales]

    def _respond(self, crops: list[Image]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Response maps (K, n, n), one a scale."""
        search = self.engine.embed(crops)
        if self.config.scale_search == "exemplar":
            return self.engine.match(self._exemplar, search)[0]
        return self.engine.match(self._exemplar.expand(len(crops), -1, -1, -1, -1), search)[:, 0]
