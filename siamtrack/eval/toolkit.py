"""GOT-10k through its own toolkit: the toolkit reads the sequence and asks, ours tracks and keeps the result."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
from got10k.experiments import ExperimentGOT10k
from got10k.trackers import Tracker as ToolkitBase
from numpy.typing import NDArray

from siamtrack.data.sequence import Sequence
from siamtrack.eval.evaluate import SequenceRun, run_sequence
from siamtrack.eval.peers import BoxTracker
from siamtrack.eval.store import ResultStore


class ToolkitTracker(ToolkitBase):  # type: ignore[misc]
    """One of our trackers as the toolkit wants one.

    Args:
        name: names the folder of the results.
        tracker: anything with `init` and `update`.

    Attributes:
        run: of the last sequence, with the tracker's scores, which the toolkit does not ask for.
    """

    run: SequenceRun

    def __init__(self, name: str, tracker: BoxTracker) -> None:
        super().__init__(name=name, is_deterministic=True)
        self.tracker = tracker

    def track(
        self, img_files: list[str], box: NDArray[np.float64], visualize: bool = False
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Boxes (N, 4) and seconds (N,) of a sequence of N images.

        The toolkit's own loop hands out PIL images and times our conversion of them; this one reads frames as every
        other part of the package does.
        """
        boxes = np.zeros((len(img_files), 4))
        boxes[0] = box
        paths = tuple(Path(path) for path in img_files)
        self.run = run_sequence(self.tracker, Sequence(paths[0].parent.name, paths[0].parent, boxes, paths))
        return self.run.boxes_xywh, np.concatenate([[0.0], self.run.seconds])


class Experiment(ExperimentGOT10k):  # type: ignore[misc]
    """The toolkit's experiment on one sequence, whose result is written whole or not at all."""

    def __init__(self, root: Path, subset: str, sequence: str, store: ResultStore, tracker: ToolkitTracker) -> None:
        super().__init__(root_dir=str(root), subset=subset, result_dir=str(store.root), report_dir=str(store.root))
        self.result_dir = str(store.root)
        self.store, self.tracker = store, tracker
        data = self.dataset
        place = data.seq_names.index(sequence)
        for name in ("seq_names", "seq_dirs", "anno_files"):
            setattr(data, name, [getattr(data, name)[place]])
        # On the test set `run` would print an advice and sleep for two seconds, for every sequence.
        self.subset = "val"

    def _record(self, record_file: str, boxes: NDArray[np.float64], times: NDArray[np.float64]) -> None:
        self.store.write(self.tracker.run)


def run_toolkit(tracker: BoxTracker, root: Path, subset: str, sequence: str, store: ResultStore) -> None:
    """Run a tracker over one sequence of GOT-10k by `ExperimentGOT10k`.

    Args:
        root: the folder that holds `val` and `test`. subset: which of them.
        sequence: its name. store: where the result goes.

    Raises:
        DataError, SourceError: as `run_together` raises them.
        OutputError: the result cannot be written.
    """
    asked = ToolkitTracker(store.name, tracker)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints several lines a sequence
        Experiment(root, subset, sequence, store, asked).run(asked, visualize=False)
