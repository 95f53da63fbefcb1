"""From results on disk to an `Evaluation`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from siamtrack.data.benchmarks import Benchmark
from siamtrack.data.sequence import Sequence as Video
from siamtrack.errors import DataError
from siamtrack.eval.evaluation import PRECISION_PX, Evaluation, Outcome, TrackerOutcome
from siamtrack.eval.results import ResultStore, read_identity
from siamtrack.system import versions


def score(benchmark: Benchmark, trackers: Sequence[str], out: Path, about: Mapping[str, str]) -> Evaluation:
    """Read the results of several trackers and put them beside the truth.

    Args:
        benchmark: its sequences and protocol.
        trackers: names, as they were run. out: folder of the evaluation.
        about: whatever a reader should know of the run.

    Raises:
        DataError: results are missing or cut, or the benchmark's truth is withheld.
    """
    if benchmark.hidden:
        raise DataError(f"the truth of {benchmark.name} {benchmark.subset} is withheld; its server scores the archive")
    sizes = {video.name: frame_size(video) for video in benchmark.sequences}
    found = []
    for tracker in trackers:
        store = ResultStore(out, tracker)
        outcomes = []
        for video in benchmark.sequences:
            result = store.read(video.name, len(video.boxes_xywh))
            outcomes.append(
                Outcome(
                    video.name,
                    result.boxes_xywh,
                    video.boxes_xywh,
                    sizes[video.name],
                    result.measured_s,
                    result.scores,
                    benchmark.cover.get(video.name),
                )
            )
        found.append(TrackerOutcome(tracker, tuple(outcomes)))
    return Evaluation(benchmark.name, benchmark.subset, tuple(found), about, benchmark.attributes, benchmark.protocol)


def trackers_of(out: Path) -> list[str]:
    """Names of the trackers whose results an evaluation's folder holds.

    Raises:
        FileNotFoundError, DataError: it is no evaluation, or holds none.
    """
    folder = out / "results"
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} not found; give a folder that siamtrack eval wrote")
    names = [str(read_identity(path)["tracker"]) for path in sorted(folder.glob("*/tracker.json"))]
    if not names:
        raise DataError(f"{folder} holds no tracker's results")
    return names


def about_run(trackers: Sequence[str], out: Path) -> dict[str, str]:
    """Threads, versions, and device, precision and weights of each model, for a report's small print.

    Args:
        trackers: names, as they were run. out: folder of the evaluation.

    Raises:
        DataError: what a tracker's results say of themselves cannot be read.
    """
    about = {}
    for tracker in trackers:
        identity = read_identity(ResultStore(out, tracker).identity_path)
        if "weights_sha256" in identity:
            by = identity.get("runtime", "eager")  # results from before there was another
            about[tracker] = f"{identity['device']}, {identity['precision']}, {by}, weights {identity['weights_sha256'][:12]}"
        about["threads"] = str(identity["threads"])
    return {**about, **versions()}


def frame_size(video: Video) -> tuple[int, int]:
    """Width and height of a sequence's first frame, pixels.

    Raises:
        DataError: it has no frame.
    """
    for _, frame in video.frames_at({0}):
        return frame.shape[1], frame.shape[0]
    raise DataError(f"{video.name}: no frame can be read")


def success_line(evaluation: Evaluation) -> list[str]:
    """One line a tracker with the figures of its data set's protocol: what a terminal shows.

    Each has data set, subset and number of sequences. GOT-10k's figures are AO and SR, those of OTB the area under the
    success curve and the precision.
    """
    lines = []
    for tracker in evaluation.trackers:
        figures = str(tracker.scores)
        if evaluation.protocol == "otb":
            precision = f"precision at {PRECISION_PX} px {tracker.precision[PRECISION_PX]:.3f}"
            figures = f"success AUC {tracker.success_auc:.3f}  {precision}  {tracker.scores.counts}"
        fps = "" if np.isnan(tracker.fps) else f"  {tracker.fps:.1f} fps"
        lines.append(f"{tracker.tracker:32s} {evaluation.dataset} {evaluation.subset}: {figures}{fps}")
    return lines
