"""A locator whose frame goes to the device once and comes back as a few numbers a target."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from siamtrack.errors import ConfigError
from siamtrack.frames import Image
from siamtrack.tracking.box_locator import BoxLocator
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.crop import SearchRegion
from siamtrack.tracking.device.crop import cut_crops, sum_table
from siamtrack.tracking.device.offer import OfferReader
from siamtrack.tracking.device.peak import PeakReader
from siamtrack.tracking.device.reader import Reader
from siamtrack.tracking.device.replay import Replay
from siamtrack.tracking.device.sampling import FIELDS, Sampling
from siamtrack.tracking.device.slots import ExemplarSlots
from siamtrack.tracking.device.upload import Upload
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.locator import Exemplar, Locator, Sighting, View
from siamtrack.tracking.scale_locator import ScaleLocator

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
"""Targets in a pass: their number is padded to one of these, so that few graphs serve any number that comes and goes."""


class DeviceLocator:
    """`BoxLocator`, or `ScaleLocator` with `scale_search: exemplar`, as one pass on the device.

    Crops, network, correlation, window and peak of all targets run in one CUDA graph a padded batch size; two if some
    target is so large that its crop must be averaged, which the other graph leaves out. A graph is captured when its size
    first comes up, which takes a good part of a second, and all are dropped when frames of another size come. On a CPU
    the same functions run as they are, for tests: the other locators are faster there.

    It finds what its twin finds as far as rounding goes: single pixels of a crop differ by one, and a batch is
    summed in another order than its items alone. The engine's network time is here that of the whole pass, crops included.

    Args:
        engine: runs the network, by `eager` or `cuda-graph`.
        config: the tracker's constants.

    Raises:
        ConfigError: an engine or a scale search that this way does not have.
    """

    def __init__(self, engine: Engine, config: TrackerConfig) -> None:
        if config.scale_search == "search":
            raise ConfigError("scale_search 'search' does not run by CUDA graph; use 'exemplar' or 'box', or runtime eager")
        self.engine, self.config = engine, config
        self._embed = engine.graphs["embed"]
        box = config.scale_search == "box"
        self._reader: Reader = (OfferReader if box else PeakReader)(engine.graphs, config, engine.device)
        self._twin: Locator = (BoxLocator if box else ScaleLocator)(engine, config)
        self._slots = ExemplarSlots(BATCHES[-1], engine.device)
        self._rows = Upload((BATCHES[-1], FIELDS + 5), torch.float64, engine.device)
        self._frame = Upload((1, 1, 3), torch.uint8, engine.device)
        self._replay: Replay[tuple[int, bool]] = Replay(self._pass, engine.device)

    def learn(self, view: View) -> Exemplar:
        """As the twin learns: once a track, not worth a graph."""
        return self._twin.learn(view)

    @torch.inference_mode()
    def find(self, exemplars: Sequence[Exemplar], views: Sequence[View]) -> list[Sighting]:
        """Find N targets: one upload a frame, one pass and one copy back for up to 128 of them.

        Raises:
            ValueError: not one exemplar a view, an exemplar of another model, or a frame that is not uint8 (H, W, 3).
        """
        if len(exemplars) != len(views):
            raise ValueError(f"{len(exemplars)} exemplars, {len(views)} views; there must be one a target")
        sightings: list[Sighting] = []
        for _, run in groupby(zip(exemplars, views, strict=True), key=lambda pair: id(pair[1].image)):
            targets = list(run)
            self._show(targets[0][1].image)
            for first in range(0, len(targets), BATCHES[-1]):
                sightings += self._find(*zip(*targets[first : first + BATCHES[-1]], strict=True))
        return sightings

    def _show(self, image: Image) -> None:
        """Upload a frame. Graphs read it from where it lies, so those of another size have had their day."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"frame is {image.dtype} {image.shape}; it must be uint8 (H, W, 3)")
        if tuple(self._frame.tensor.shape) != image.shape:
            self._replay = Replay(self._pass, self.engine.device)
            self._frame = Upload(image.shape, torch.uint8, self.engine.device)
        self._frame.put(image)

    def _find(self, exemplars: Sequence[Exemplar], views: Sequence[View]) -> list[Sighting]:
        """Up to 128 targets in the frame that was shown."""
        frame_wh = (views[0].image.shape[1], views[0].image.shape[0])
        windows = [SearchRegion(view.center_xy, view.side, self.config.search_size) for view in views]
        samplings = [Sampling.of(one, frame_wh, view.fill) for view, one in zip(views, windows, strict=True)]
        rows = [
            (
                *sampling,
                *exemplar.size_wh[0].tolist(),
                *(length / window.scale for length in view.size_wh),
                view.window_influence,
            )
            for sampling, exemplar, view, window in zip(samplings, exemplars, views, windows, strict=True)
        ]
        count = padded(len(rows))
        started = time.perf_counter()
        # The last target again in the slots that are left: any would do, nobody reads what comes of it.
        self._rows.put(np.array(rows + rows[-1:] * (count - len(rows)), np.float64))
        self._slots.hold(exemplars)
        found = self._replay((count, any(sampling.factor > 1 for sampling in samplings))).tolist()
        self.engine.network_s += time.perf_counter() - started
        self.engine.network_calls += 1
        return [self._reader.sighting(*each) for each in zip(views, windows, found[: len(rows)], strict=True)]

    def _pass(self, key: tuple[int, bool]) -> Tensor:
        """All that happens on the device, for a number of targets and with or without averaging of blocks."""
        count, averaged = key
        frame, rows = self._frame.tensor, self._rows.tensor[:count]
        crops = cut_crops(frame, rows[:, :FIELDS], self.config.search_size, sum_table(frame) if averaged else None)
        return self._reader.read(*self._slots.first(count), self._embed(crops), rows[:, FIELDS:])


def padded(count: int) -> int:
    """The smallest of `BATCHES` that holds so many targets; `count` must be 1 to 128."""
    return next(size for size in BATCHES if size >= count)
