"""GOT-10k through its own toolkit: the toolkit reads the sequence and asks, ours tracks and keeps the result."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from got10k.experiments import ExperimentGOT10k
from got10k.trackers import Tracker as ToolkitBase
from numpy.typing import NDArray

from siamtrack.data.sequence import Sequence as Video
from siamtrack.eval.evaluate import SequenceRun, run_sequence
from siamtrack.eval.peers import BoxTracker, box_of
from siamtrack.eval.store import ResultStore
from siamtrack.frames import Image

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage


class GOT10kTracker(ToolkitBase):  # type: ignore[misc]
    """A tracker of this package, or any with `init` and `update`, for the experiments of GOT-10k's toolkit.

    The toolkit hands out RGB images of PIL and asks for a box `(x, y, w, h)`; the tracker gets BGR arrays. The toolkit's time
    of a frame has the conversion in it.

    Args:
        tracker: made by `siamtrack.load(redetect=False)`, say: the benchmarks mean no re-detection.
        name: names the folder of the results.
        one_based: whether the experiment's boxes count pixels from 1, as those of the toolkit's `ExperimentOTB` do. Those of
            `ExperimentGOT10k` count from 0.

    Examples:
        >>> from got10k.experiments import ExperimentGOT10k                             # doctest: +SKIP
        >>> tracker = GOT10kTracker(siamtrack.load(redetect=False), "siamfc-lite")      # doctest: +SKIP
        >>> ExperimentGOT10k("GOT-10k", subset="val").run(tracker)                      # doctest: +SKIP
    """

    def __init__(self, tracker: BoxTracker, name: str = "siamtrack", one_based: bool = False) -> None:
        super().__init__(name=name, is_deterministic=True)
        self.tracker = tracker
        self._first_pixel = float(one_based)

    def init(self, image: PILImage, box: Sequence[float]) -> None:
        """Learn the target.

        Args:
            image: the first frame, of any mode that PIL turns into RGB. box: `(x, y, w, h)` of the target in it.

        Raises:
            ValueError: a box that cannot be used.
        """
        x, y, w, h = (float(value) for value in box)
        self.tracker.init(_bgr(image), (x - self._first_pixel, y - self._first_pixel, w, h))

    def update(self, image: PILImage) -> NDArray[np.float64]:
        """The box (4,) in the next frame.

        Raises:
            ValueError: a frame of another size.
        """
        x, y, w, h = box_of(self.tracker.update(_bgr(image)))
        return np.array([x + self._first_pixel, y + self._first_pixel, w, h])


def _bgr(image: PILImage) -> Image:
    return np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])


class SequenceTracker(GOT10kTracker):
    """The same for our own runs: frames are read as every other part of the package reads them, and scores are kept.

    Attributes:
        run: of the last sequence, with the tracker's scores, which the toolkit does not ask for.
    """

    run: SequenceRun

    def track(
        self, img_files: list[str], box: NDArray[np.float64], visualize: bool = False
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Boxes (N, 4) and seconds (N,) of a sequence of N images."""
        boxes = np.zeros((len(img_files), 4))
        boxes[0] = box
        paths = tuple(Path(path) for path in img_files)
        self.run = run_sequence(self.tracker, Video(paths[0].parent.name, paths[0].parent, boxes, paths))
        return self.run.boxes_xywh, np.concatenate([[0.0], self.run.seconds])


class Experiment(ExperimentGOT10k):  # type: ignore[misc]
    """The toolkit's experiment on one sequence, whose result is written whole or not at all."""

    def __init__(self, root: Path, subset: str, sequence: str, store: ResultStore, tracker: SequenceTracker) -> None:
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
    asked = SequenceTracker(tracker, store.name)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints several lines a sequence
        Experiment(root, subset, sequence, store, asked).run(asked, visualize=False)
