"""The examples, as they are."""

from __future__ import annotations

import ast
import contextlib
import importlib
import json
import re
import runpy
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from rendered import rendered_frame

import siamtrack
from siamtrack.boxes import Box, iou
from siamtrack.demo import CLIPS
from siamtrack.frames import Image
from siamtrack.tracking.tracker import Tracker
from siamtrack.video.source import open_source

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def example(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A script, imported."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module(request.param)


@pytest.mark.parametrize("example", ["webcam"], indirect=True)
def test_a_webcam_is_followed_until_q(example: Any, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, shown = iter([-1, -1, ord("b"), -1, ord("q")]), list[Image]()
    boxes = iter([(60, 80, 40, 50), tuple(round(value) for value in rendered_frame(3)[1])])
    monkeypatch.setattr(sys, "argv", ["webcam.py", str(clip)])
    monkeypatch.setattr(cv2, "selectROI", lambda _, frame: next(boxes))
    monkeypatch.setattr(cv2, "imshow", lambda _, frame: shown.append(frame))
    monkeypatch.setattr(cv2, "waitKey", lambda _: next(keys))
    example.main()
    assert len(shown) == 5
    assert next(boxes, None) is None, "b draws again"
    assert np.abs(shown[1].astype(int) - rendered_frame(1)[0]).max() > 150, "a box is drawn"


@pytest.mark.parametrize("example", ["detections", "got10k_toolkit", "onnx_numpy", "train_own"])
def test_an_example_without_its_arguments_says_what_they_are(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [f"{example}.py"])
    with pytest.raises(SystemExit, match=f"python examples/{example}.py "):
        runpy.run_path(str(EXAMPLES / f"{example}.py"), run_name="__main__")


def test_a_camera_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["webcam.py", "nowhere.mp4"])
    with pytest.raises(SystemExit, match=r"nowhere\.mp4 cannot be opened"):
        runpy.run_path(str(EXAMPLES / "webcam.py"), run_name="__main__")


@pytest.mark.parametrize("example", ["detections"], indirect=True)
def test_a_video_that_cannot_be_opened_or_written_is_named(example: Any, clip: Path, tmp_path: Path) -> None:
    for source, out, message in (
        ("nowhere.mp4", "out.mp4", "nowhere"),
        (str(clip), "none/out.mp4", "out.mp4 cannot be written"),
    ):
        with pytest.raises(SystemExit, match=message):
            example.main(source, str(tmp_path / out))


@pytest.mark.parametrize("example", ["detections"], indirect=True)
def test_detections_begin_targets_and_are_matched_to_them(example: Any, tracker: Tracker) -> None:
    class Detections:  # as supervision.Detections has them
        def __init__(self, *boxes: Sequence[float]) -> None:
            self.xyxy = np.array([(x, y, x + w, y + h) for x, y, w, h in boxes], np.float32)

    followed = example.Followed(siamtrack.MultiTracker(tracker.backend, tracker.config))
    frames = [rendered_frame(i) for i in range(6)]
    other = Box(10, 10, 40, 40)
    assert followed.update(frames[0][0], np.empty((0, 4))) == {}
    assert list(followed.update(frames[1][0], Detections(frames[1][1]))) == [1]
    followed.update(frames[2][0])
    x, y, w, h = frames[3][1]
    near = Box(x + 4, y, w, h)
    results = followed.update(frames[3][0], Detections(other, near).xyxy)
    assert list(results) == [1, 2], "one is known, and keeps its id"
    assert iou(results[1].box, frames[3][1]) > 0.6
    assert results[2].box == other
    black = np.zeros_like(frames[0][0])
    for _ in range(example.PATIENCE + 10):
        results = followed.update(black)
    assert results == {}
    assert list(followed.update(frames[4][0], Detections(frames[4][1]))) == [3], "no id is given twice"


@pytest.mark.parametrize("example", ["detections"], indirect=True)
def test_what_moves_is_found_and_drawn(
    example: Any,
    clip: Path,
    tmp_path: Path,
    tracker: Tracker,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(siamtrack, "load_multi", lambda: siamtrack.MultiTracker(tracker.backend, tracker.config))
    example.main(str(clip), str(tmp_path / "out.mp4"))
    assert "20 frames, " in capsys.readouterr().out
    assert cv2.VideoCapture(str(tmp_path / "out.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 20
    frame, box = rendered_frame(0)
    results = {7: tracker.init(frame, box)}
    by_supervision = example.drawn(frame, results)
    monkeypatch.setitem(sys.modules, "supervision", None)  # as where it is not installed
    plain = example.drawn(frame, results)
    for picture in (by_supervision, plain):
        assert (picture != frame).any()
    assert (by_supervision != plain).any()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `siamtrack export siamfc-lite` writes of the branches; its parts for other engines are not used here."""
    from siamtrack.api import config_of
    from siamtrack.backends.exported import with_weights, write_export
    from siamtrack.backends.onnx import package_graphs
    from siamtrack.config import to_plain
    from siamtrack.model.weights import load_weights

    weights, folder = load_weights("siamfc-lite"), tmp_path_factory.mktemp("exported")
    graphs = {name: with_weights(graph, state) for name, (graph, state) in package_graphs(weights).items()}
    config = config_of(weights)
    write_export(folder, weights, graphs, config.search_size, "float32", to_plain(config))
    return folder


@pytest.mark.parametrize("example", ["onnx_numpy"], indirect=True)
@pytest.mark.parametrize("larger", [1, 2, 4])  # a pixel of the crop is one of the frame, 2 x 2, 4 x 4
def test_numpy_alone_gives_the_boxes_of_the_package(example: Any, exported: Path, carphone: Path, larger: int) -> None:
    with open_source(carphone) as source:
        frames = [frame.image for frame in islice(source.read(), 8)]
    frames = [cv2.resize(frame, None, fx=larger, fy=larger) for frame in frames]
    box = [side * larger for side in CLIPS["carphone"].box]
    package = siamtrack.load(device="cpu", backend="onnx", redetect=False, update_weight=0, search_sizes=[])
    numpy = example.Tracker(exported)
    package.init(frames[0], box)
    numpy.init(frames[0], box)
    differences = [np.abs(np.subtract(numpy.update(frame), package.update(frame).box)).max() for frame in frames[1:]]
    assert max(differences) < 0.01


def test_the_cells_of_the_notebook_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)
    cells = json.loads((EXAMPLES / "boxes_inline.ipynb").read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    first = ast.parse(sources[0])
    last = first.body.pop()
    assert isinstance(last, ast.Expr)
    exec(compile(first, "cell 1", "exec"), names)
    shown = eval(compile(ast.Expression(last.value), "cell 1", "eval"), names)
    assert shown._repr_png_().startswith(b"\x89PNG")
    for i, source in enumerate(sources[1:], 2):
        exec(compile(source, f"cell {i}", "exec"), names)
    states = [step.result.state for step in names["followed"]]
    assert states[0] == states[-1] == "TRACKING"
    assert "LOST" in states
    assert "174 frames: boxes.csv boxes.txt run.json" in capsys.readouterr().out


@pytest.mark.parametrize("example", ["got10k_toolkit"], indirect=True)
def test_the_toolkit_of_got10k_runs_and_scores(
    example: Any, tmp_path: Path, tracker: Tracker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "val/one"
    folder.mkdir(parents=True)
    (folder.parent / "list.txt").write_text("one\n")
    for i in range(5):
        cv2.imwrite(str(folder / f"{i + 1:08d}.jpg"), rendered_frame(i)[0])
    np.savetxt(folder / "groundtruth.txt", [rendered_frame(i)[1] for i in range(5)], delimiter=",")
    height, width = rendered_frame(0)[0].shape[:2]
    (folder / "meta_info.ini").write_text(f"[METAINFO]\nresolution: ({width}, {height})\n")
    for name, value in (("cover", 8), ("absence", 0), ("cut_by_image", 0)):
        np.savetxt(folder / f"{name}.label", [value] * 5, fmt="%d")
    monkeypatch.setattr(siamtrack, "load", lambda redetect: tracker)
    performance = example.main(str(tmp_path), "val", str(tmp_path / "runs"))
    assert performance["siamfc-lite"]["overall"]["ao"] > 0.6
    assert len(np.loadtxt(tmp_path / "runs/results/GOT-10k/siamfc-lite/one/one_001.txt", delimiter=",")) == 5
    assert "siamfc-lite" in capsys.readouterr().out


def test_shapes_are_fixed_as_docs_export_md_says(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (EXAMPLES.parent / "docs/export.md").read_text(encoding="utf-8")
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported/lite").symlink_to(exported)
    monkeypatch.chdir(tmp_path)
    lines = re.findall(r"^python -m (onnxruntime\.tools\.\S+) (.*)$", page, re.M)
    for module, arguments in lines:
        monkeypatch.setattr(sys, "argv", [module, *arguments.split()])
        with contextlib.suppress(SystemExit):
            runpy.run_module(module, run_name="__main__")
    fixed, free = (onnxruntime.InferenceSession(path) for path in ("search_223.onnx", "exported/lite/search.onnx"))
    shapes = {each.name: each.shape for each in fixed.get_inputs()}
    assert shapes["crops"] == [1, 223, 223, 3]
    draw = np.random.default_rng(0)
    inputs: dict[str, Any] = {name: draw.uniform(1, 9, shape).astype(np.float32) for name, shape in shapes.items()}
    inputs["crops"] = draw.integers(0, 256, shapes["crops"], dtype=np.uint8)
    for got, expected in zip(fixed.run(None, inputs), free.run(None, inputs), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.slow  # a real training
@pytest.mark.parametrize("example", ["train_own"], indirect=True)
def test_one_trains_on_a_folder_of_ones_own(
    example: Any, write_clip: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in ("a", "b"):
        write_clip(clips / f"{name}.mp4", 8)
        (clips / f"{name}.txt").write_text("".join(",".join(map(str, rendered_frame(i)[1])) + "\n" for i in range(8)))
    example.main(clips, tmp_path / "run", 1, batch_size=4)
    assert len([line for line in capsys.readouterr().out.splitlines() if line.endswith("TRACKING")]) >= 4
