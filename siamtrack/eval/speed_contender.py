"""Who takes part in a comparison of speed, by the names that people give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from siamtrack.api import config_of
from siamtrack.eval.named import is_ours, our_tracker, tracker_by_name
from siamtrack.eval.peers import BoxTracker, OpenCVTracker
from siamtrack.eval.plain_runtime import PLAIN_MODEL, PLAIN_SETTINGS, PlainEngine
from siamtrack.model.siamese import Siamese
from siamtrack.model.weights import load_weights
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.tracker import Tracker

PLAIN = "plain"
"""The name of the plain recipe."""


@dataclass(frozen=True)
class Entry:
    """What was asked for.

    Attributes:
        name: a model or weights file, with settings of its own if any (`siamfc,scale_count=5`); `plain`, the plain
            recipe; `cv2:csrt` and so on; or `identity`.
        runtime: of a model.
        optional: whether it is left out where it is not installed, rather than an error.
        label: what reports call it.
    """

    name: str
    runtime: str
    optional: bool
    label: str


@dataclass(frozen=True)
class Contender:
    """A tracker that is ready.

    Attributes:
        name: what reports call it. tracker: what is measured.
        net: its network, None if it is not one of our models.
    """

    name: str
    tracker: BoxTracker
    net: Siamese | None = None

    @property
    def ours(self) -> Tracker | None:
        """The tracker, if it is one of our own."""
        return self.tracker if isinstance(self.tracker, Tracker) else None

    @property
    def engine(self) -> Engine | None:
        """What runs its network, if it is one of our own."""
        return self.ours.engine if self.ours else None


def entries(names: Sequence[str], runtimes: Sequence[str] = ("auto",), peers: bool = False) -> list[Entry]:
    """Each model with each runtime, everything else once, and with `peers` OpenCV's trackers behind them.

    Raises:
        ValueError: no names, or one of them twice.
    """
    if not names:
        raise ValueError("no tracker to measure; name a model")
    found = []
    for name in names:
        if is_ours(name) and name != PLAIN:
            found += [Entry(name, one, False, f"{name} ({one})" if len(runtimes) > 1 else name) for one in runtimes]
        else:
            found.append(Entry(name, "auto", False, name))
    if peers:
        there = {entry.name for entry in found}
        found += [
            Entry(name, "auto", True, name) for name in (f"cv2:{one}" for one in OpenCVTracker.NAMES) if name not in there
        ]
    labels = [entry.label for entry in found]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"{label} is asked for twice; once is enough")
    return found


def make_contender(
    entry: Entry, device: str = "auto", precision: str = "auto", onnx_dir: str | Path | None = None
) -> Contender:
    """Load it.

    Args:
        entry: what was asked for.
        device, precision: of our own models, as for `siamtrack.load`.
        onnx_dir: folder of the ONNX files of `cv2:nano` and `cv2:vit`.

    Raises:
        SiamtrackError, FileNotFoundError, ValueError: as `tracker_by_name` does.
    """
    if entry.name == PLAIN:
        weights = load_weights(PLAIN_MODEL)
        tracker = Tracker(PlainEngine(weights.net, device), config_of(weights, **PLAIN_SETTINGS))
        return Contender(entry.label, tracker, weights.net)
    if is_ours(entry.name):
        tracker, weights = our_tracker(entry.name, (), device, precision, entry.runtime)
        return Contender(entry.label, tracker, weights.net)
    return Contender(entry.label, tracker_by_name(entry.name, onnx_dir=onnx_dir))
