"""What is remembered of a target: the exemplar that the user gave, and a few later looks that were sure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch

from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.locator import Exemplar
from siamtrack.tracking.result import State, TrackResult


class ExemplarMemory:
    """Blends the first exemplar with the latest sure looks at the target.

    Correlation is linear: to look for the blend is to look for each and to average what they say. The first exemplar
    keeps its share whatever comes, so that a drift cannot feed itself without end; sizes stay those of the first frame,
    to which the box head's distances are relative.

    Args:
        first: what was learned of the first frame.
        config: `memory_share` (0: nothing is remembered), `memory_score`, `memory_frames`, `memory_looks`.

    Attributes:
        exemplar: what to look for in the next frame.
    """

    def __init__(self, first: Exemplar, config: TrackerConfig) -> None:
        self.exemplar = self._first = first
        self._config = config
        self._looks: deque[Exemplar] = deque(maxlen=config.memory_looks)
        self._frames = 0

    def note(self, result: TrackResult, look: Callable[[], Exemplar]) -> None:
        """Take note of a frame, and remember what the target looks like in it if it is surely there and it is time.

        Args:
            result: what was said of the frame; every frame must be told.
            look: learns the target from the frame; called at most once in `memory_frames` frames.
        """
        self._frames += 1
        sure = result.state is State.TRACKING and result.score >= self._config.memory_score
        if self._config.memory_share > 0 and sure and self._frames >= self._config.memory_frames:
            self._frames = 0
            self._looks.append(look())
            self.exemplar = self._blend()

    def _blend(self) -> Exemplar:
        """The first exemplar and the mean of the looks, each with its share."""
        share = self._config.memory_share
        first, looks = self._first, self._looks
        embedding = torch.lerp(first.embedding, torch.stack([each.embedding for each in looks]).mean(dim=0), share)
        kernel = torch.lerp(first.kernel, torch.stack([each.kernel for each in looks]).mean(dim=0), share)
        return Exemplar(embedding, kernel, first.size_wh)
