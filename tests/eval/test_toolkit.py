"""Our trackers in GOT-10k's own experiments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from got10k.experiments import ExperimentGOT10k
from PIL import Image

from siamtrack.boxes import Box
from siamtrack.eval import GOT10kTracker

FIRST = (4.0, 5.0, 20.0, 10.0)


class Moving:
    """Moves by a pixel a frame, and keeps what it was shown."""

    def init(self, frame: np.ndarray, box: tuple[float, ...]) -> None:
        self.frames, self.box = [frame], Box(*box)

    def update(self, frame: np.ndarray) -> Box:
        self.frames.append(frame)
        self.box = self.box._replace(x=self.box.x + 1)
        return self.box


def test_the_toolkits_own_experiment_runs_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "data/val/one"
    folder.mkdir(parents=True)
    (folder.parent / "list.txt").write_text("one\n")
    np.savetxt(folder / "groundtruth.txt", np.tile(FIRST, (3, 1)), fmt="%.4f", delimiter=",")
    for i in range(3):
        Image.new("L" if i else "RGB", (64, 48), 90 if i else (200, 100, 0)).save(folder / f"{i + 1:08d}.jpg", quality=100)
    inner = Moving()
    experiment = ExperimentGOT10k(
        str(tmp_path / "data"), subset="val", result_dir=str(tmp_path / "results"), report_dir=str(tmp_path / "reports")
    )
    experiment.run(GOT10kTracker(inner, "moving"))
    capsys.readouterr()
    boxes = np.loadtxt(tmp_path / "results/GOT-10k/moving/one/one_001.txt", delimiter=",")
    assert boxes.tolist() == [list(FIRST), [5, 5, 20, 10], [6, 5, 20, 10]]
    assert inner.frames[0].shape == inner.frames[1].shape == (48, 64, 3)
    assert inner.frames[0][0, 0] == pytest.approx((0, 100, 200), abs=3)  # PIL's RGB is BGR here
    assert inner.frames[0].flags.c_contiguous


def test_boxes_that_count_from_one_are_shifted_both_ways() -> None:
    inner = Moving()
    tracker = GOT10kTracker(inner, one_based=True)
    image = Image.new("RGB", (64, 48))
    tracker.init(image, np.array(FIRST))
    assert inner.box == (3, 4, 20, 10)
    assert tracker.update(image).tolist() == [5, 5, 20, 10]
