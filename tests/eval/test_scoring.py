from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from siamtrack.errors import DataError
from siamtrack.eval.evaluation import Evaluation, Outcome, TrackerOutcome
from siamtrack.eval.results import ResultStore
from siamtrack.eval.scoring import about_run, success_line, trackers_of

TRUTH = np.tile([20.0, 20.0, 20.0, 20.0], (5, 1))


def outcome(name: str, shifts_px: list[float], seconds: float = 0.02) -> Outcome:
    """A target that stands still, and a box that lies so many pixels beside it in the frames after the first."""
    boxes = TRUTH.copy()
    boxes[1:, 0] += shifts_px
    return Outcome(name, boxes, TRUTH, (320, 240), np.full(4, seconds) if seconds else np.zeros(0), np.ones(5))


def lines_of(protocol: str) -> list[str]:
    parts = (outcome("a", [0, 0, 10, 30]), outcome("b", [0, 0, 0, 0]))
    silent = tuple(outcome(item.sequence, [0, 0, 0, 0], seconds=0) for item in parts)
    trackers = (TrackerOutcome("ours", parts), TrackerOutcome("theirs", silent))
    return success_line(Evaluation("Made up", "all", trackers, protocol=protocol))


def test_a_line_has_the_figures_of_its_protocol() -> None:
    ours, theirs = lines_of("got10k")
    assert ours.split(maxsplit=1) == [
        "ours",
        "Made up all: AO 0.792  SR0.50 0.750  SR0.75 0.750  (2 sequences, 8 frames)  50.0 fps",
    ]
    assert theirs.endswith("AO 1.000  SR0.50 1.000  SR0.75 1.000  (2 sequences, 8 frames)")  # nobody measured its speed
    ours, theirs = lines_of("otb")
    # Overlaps of `a` are 1, 1, 1/3, 0: above 20, 20, 7, 0 of the 21 thresholds. Those of `b` are 1.
    area = ((20 + 20 + 7) / 21 / 4 + 20 / 21) / 2
    figures = f"success AUC {area:.3f}  precision at 20 px 0.875  (2 sequences, 8 frames)  50.0 fps"
    assert ours.split(maxsplit=1) == ["ours", f"Made up all: {figures}"]
    assert theirs.endswith("success AUC 0.952  precision at 20 px 1.000  (2 sequences, 8 frames)")


def test_small_print_says_where_and_with_what_weights(tmp_path: Path) -> None:
    old = {"tracker": "w.pth", "threads": 2, "device": "cpu", "precision": "bfloat16", "weights_sha256": "ab" * 32}
    new = {**old, "tracker": "v.pth", "precision": "float32", "runtime": "onnx"}
    for identity in (old, new, {"tracker": "identity", "threads": 2}):
        ResultStore(tmp_path, str(identity["tracker"])).claim(identity)
    about = about_run(["w.pth", "v.pth", "identity"], tmp_path)
    assert about["w.pth"] == "cpu, bfloat16, eager, weights abababababab"
    assert about["v.pth"] == "cpu, float32, onnx, weights abababababab"
    assert about["threads"] == "2"
    assert "identity" not in about
    assert "torch" in about


def test_whose_results_a_folder_holds(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="give a folder that siamtrack eval wrote"):
        trackers_of(tmp_path)
    (tmp_path / "results").mkdir()
    with pytest.raises(DataError, match="holds no tracker's results"):
        trackers_of(tmp_path)
    store = ResultStore(tmp_path, "cv2:mil")
    store.claim({"tracker": "cv2:mil"})
    assert trackers_of(tmp_path) == ["cv2:mil"]
    for text in (json.dumps(["cv2:mil"]), "{}"):
        store.identity_path.write_text(text)
        with pytest.raises(DataError, match=r"tracker\.json does not say which tracker it is of"):
            trackers_of(tmp_path)
        with pytest.raises(DataError, match=r"tracker\.json does not say which tracker it is of"):
            store.claim({"tracker": "cv2:mil"})
