"""What an evaluation found: the figures of every tracker on all sequences, and what changed since another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.data.benchmarks import Benchmark
from siamtrack.data.sequence import Sequence as Video
from siamtrack.errors import DataError
from siamtrack.eval.scores import MIN_SEQUENCES, Scores, paired_bootstrap, pooled
from siamtrack.eval.sequence_run import SequenceRun
from siamtrack.eval.store import ResultStore, read_identity
from siamtrack.machine import versions

SUCCESS_THRESHOLDS = np.linspace(0, 1, 101)
PRECISION_THRESHOLDS_PX = np.arange(51)
PRECISION_PX = 20
"""The error at which OTB reads its precision."""


@dataclass(frozen=True)
class TrackerRuns:
    """One tracker on all sequences.

    Attributes:
        tracker: its name. runs: one a sequence, in the data set's order.
    """

    tracker: str
    runs: tuple[SequenceRun, ...]

    @cached_property
    def scores(self) -> Scores:
        """AO and SR over all frames of all sequences together, each with the same weight: GOT-10k's protocol."""
        return pooled(item.overlaps for item in self.runs)

    @cached_property
    def success(self) -> NDArray[np.float64]:
        """(101,) share of frames whose overlap is above each of `SUCCESS_THRESHOLDS`, all frames together."""
        joined = np.concatenate([item.overlaps for item in self.runs])
        return np.asarray((joined[:, None] > SUCCESS_THRESHOLDS).mean(axis=0))

    @cached_property
    def precision(self) -> NDArray[np.float64]:
        """(51,) share of frames whose centres lie within 0 to 50 px, mean over sequences, the first frame counted."""
        curves = [(item.center_errors[:, None] <= PRECISION_THRESHOLDS_PX).mean(axis=0) for item in self._scored]
        return np.asarray(np.mean(curves, axis=0)) if curves else np.full(len(PRECISION_THRESHOLDS_PX), np.nan)

    @cached_property
    def success_auc(self) -> float:
        """OTB's success score: mean over 21 thresholds of the curve, mean over sequences, the first frame counted."""
        thresholds = np.linspace(0, 1, 21)
        areas = [(item.otb_overlaps[:, None] > thresholds).mean() for item in self._scored]
        return float(np.mean(areas)) if areas else float("nan")

    @property
    def figures(self) -> dict[str, float]:
        """All figures but the speed, by their names in scores.csv; NaN of no frames, which have no scores, not scores of 0."""
        scores, precision = self.scores, float(self.precision[PRECISION_PX])
        found = {"ao": scores.ao, "sequence_ao": scores.sequence_ao, "sr50": scores.sr50, "sr75": scores.sr75}
        found |= {"success_auc": self.success_auc, "precision20": precision}
        return found if scores.frames else dict.fromkeys(found, float("nan"))

    @property
    def _scored(self) -> list[SequenceRun]:
        """Without sequences of which no frame counts: the mean of nothing is no number."""
        return [item for item in self.runs if item.overlaps.size]

    @cached_property
    def fps(self) -> float:
        """Frames over the seconds of their updates, N / sum(t); NaN where nobody measured."""
        seconds = np.concatenate([item.seconds for item in self.runs])
        return float(len(seconds) / seconds.sum()) if seconds.sum() > 0 else float("nan")


@dataclass(frozen=True)
class Evaluation:
    """All trackers on one data set.

    Attributes:
        dataset, subset: names, such as `GOT-10k` and `val`; every figure is printed with them.
        trackers: in the order in which they were asked for; all on the same sequences.
        about: device, precision, threads, weights, versions and so on, for people.
        attributes: for each sequence the attributes that the data set gives it; {} where it has none.
        protocol: whose figures stand for a tracker, `got10k` or `otb`; the others are computed all the same.
    """

    dataset: str
    subset: str
    trackers: tuple[TrackerRuns, ...]
    about: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    protocol: str = "got10k"

    def rank(self, item: TrackerRuns) -> float:
        """What trackers are ranked by, larger is better: AO, or success AUC by OTB's protocol; NaN of no frames."""
        return item.success_auc if self.protocol == "otb" else item.scores.ao


def score(benchmark: Benchmark, trackers: Sequence[str], out: Path, about: Mapping[str, str]) -> Evaluation:
    """Read the results of several trackers, by their names, and put them beside the truth. `about` is for readers.

    Raises:
        DataError: results are missing or cut, or the benchmark's truth is withheld.
    """
    if benchmark.hidden:
        raise DataError(f"the truth of {benchmark.name} {benchmark.subset} is withheld; its server scores the archive")
    sizes = {video.name: frame_size(video) for video in benchmark.sequences}
    found = []
    for tracker in trackers:
        store = ResultStore(out, tracker)
        runs = (store.read(video, sizes[video.name], benchmark.cover.get(video.name)) for video in benchmark.sequences)
        found.append(TrackerRuns(tracker, tuple(runs)))
    return Evaluation(benchmark.name, benchmark.subset, tuple(found), about, benchmark.attributes, benchmark.protocol)


def trackers_of(out: Path) -> list[str]:
    """Names of the trackers whose results an evaluation's folder holds; an error if it is none."""
    folder = out / "results"
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} not found; give a folder that siamtrack eval wrote")
    names = [str(read_identity(path)["tracker"]) for path in sorted(folder.glob("*/tracker.json"))]
    if not names:
        raise DataError(f"{folder} holds no tracker's results")
    return names


def about_run(trackers: Sequence[str], out: Path) -> dict[str, str]:
    """Threads, versions, and device, precision, weights and re-detection of each model, for a report's small print."""
    about = {}
    for tracker in trackers:
        identity = read_identity(ResultStore(out, tracker).identity_path)
        if "weights_sha256" in identity:
            by = identity.get("backend", "eager")  # results from before there was another
            settings = identity.get("settings")
            found = "" if settings is None else f", re-detection {'on' if settings.get('redetect', True) else 'off'}"
            place = f"{identity['device']}, {identity['precision']}, {by}"
            about[tracker] = f"{place}, weights {identity['weights_sha256'][:12]}{found}"
        about["threads"] = str(identity["threads"])
    return {**about, **versions()}


def frame_size(video: Video) -> tuple[int, int]:
    """Width and height of a sequence's first frame, pixels; a DataError if it has none."""
    for _, frame in video.frames_at({0}):
        return frame.shape[1], frame.shape[0]
    raise DataError(f"{video.name}: no frame can be read")


def success_line(evaluation: Evaluation) -> list[str]:
    """One line a tracker with the figures of its data set's protocol, data set, subset and number of sequences, for a terminal.

    GOT-10k's figures are AO and SR, those of OTB the area under the success curve and the precision.
    """
    lines = []
    for tracker in evaluation.trackers:
        figures = str(tracker.scores)
        if evaluation.protocol == "otb":
            precision = f"precision at {PRECISION_PX} px {tracker.precision[PRECISION_PX]:.3f}"
            counts = replace(tracker.scores, frames=sum(item.otb_overlaps.size for item in tracker.runs)).counts
            figures = f"success AUC {tracker.success_auc:.3f}  {precision}  {counts}"
        fps = "" if np.isnan(tracker.fps) else f"  {tracker.fps:.1f} fps"
        lines.append(f"{tracker.tracker:32s} {evaluation.dataset} {evaluation.subset}: {figures}{fps}")
    return lines


@dataclass(frozen=True)
class Gain:
    """A mean of overlaps in both evaluations, over the sequences that pair.

    Attributes:
        before, now: the mean. difference: the second less the first.
        interval: the middle 95 % of what a paired bootstrap over sequences gives for the difference.
    """

    before: float
    now: float
    difference: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Change:
    """One tracker in both evaluations.

    Attributes:
        tracker: its name.
        of_frames: AO over all frames. of_sequences: the mean of each sequence's AO.
        sequences: (name, AO before, AO now) of those that pair, the largest change first.
        left_out: names of those that do not: in one evaluation only, or with other numbers of frames that count.
    """

    tracker: str
    of_frames: Gain
    of_sequences: Gain
    sequences: tuple[tuple[str, float, float], ...]
    left_out: tuple[str, ...]

    def verdict(self, gain: Gain) -> str:
        """A few plain words on one of its gains."""
        if len(self.sequences) < MIN_SEQUENCES:
            return f"too few sequences to tell ({MIN_SEQUENCES} or more can)"
        if gain.interval[0] > 0:
            return "higher"
        return "lower" if gain.interval[1] < 0 else "not told apart"


def changes(now: Evaluation, before: Evaluation) -> list[Change]:
    """A `Change` for every tracker in both with at least one sequence that pairs, in the order of `now`.

    Raises:
        ValueError: they are of other data sets or subsets, whose figures must not be compared.
    """
    if (now.dataset, now.subset) != (before.dataset, before.subset):
        raise ValueError(
            f"the other evaluation is of {before.dataset} {before.subset}, this one of {now.dataset} {now.subset}; figures of "
            "different data must not be compared: give one of the same data set and subset"
        )
    earlier = {item.tracker: item for item in before.trackers}
    found = (_change(item, earlier[item.tracker]) for item in now.trackers if item.tracker in earlier)
    return [item for item in found if item is not None]


def _change(now: TrackerRuns, before: TrackerRuns) -> Change | None:
    ours, theirs = ({item.name: item for item in side.runs} for side in (now, before))
    pairs = {
        name: (theirs[name], item)
        for name, item in ours.items()
        if name in theirs and 0 < item.overlaps.size == theirs[name].overlaps.size
    }
    if not pairs:
        return None
    left_out = tuple(name for name in {**ours, **theirs} if name not in pairs)
    old, new = ([pair[side].overlaps for pair in pairs.values()] for side in (0, 1))
    rows = [(name, float(was.mean()), float(item.mean())) for name, was, item in zip(pairs, old, new, strict=True)]
    rows.sort(key=lambda row: -abs(row[2] - row[1]))
    means = ([np.array([item.mean()]) for item in side] for side in (old, new))
    return Change(now.tracker, _gain(old, new), _gain(*means), tuple(rows), left_out)


def _gain(before: Sequence[NDArray[np.float64]], now: Sequence[NDArray[np.float64]]) -> Gain:
    difference, _, interval = paired_bootstrap(now, before)
    of_before, of_now = (float(np.concatenate(side).mean()) for side in (before, now))
    return Gain(of_before, of_now, difference, interval)
