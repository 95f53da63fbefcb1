"""The whole tracker as two graphs: held to the package step by step, and its README's programs run."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import onnx
import pytest
from commands import Command
from rendered import rendered_frame

import siamtrack
from siamtrack.api import config_of, tracker_from
from siamtrack.backends.onnx import open_graph
from siamtrack.boxes import iou
from siamtrack.model.weights import Weights, load_weights
from siamtrack.system import write_folder
from siamtrack.tracking.confidence import Confidence, log_odds
from siamtrack.tracking.config import TrackerConfig
from siamtrack.tracking.crop import SearchRegion, mean_color
from siamtrack.tracking.result import State, TrackResult
from siamtrack.tracking.state import Phase, next_phase
from siamtrack.whole.crop import crop_region
from siamtrack.whole.decode import sigmoid as whole_sigmoid
from siamtrack.whole.folder import whole_files, whole_graphs
from siamtrack.whole.graph import Graph, join
from siamtrack.whole.state import LENGTHS, STATES, Memory, noted, scored
from siamtrack.whole.state import next_phase as whole_phase
from siamtrack.whole.tracker import OWN_NODES

SMALL_WH = (160, 120)


@pytest.fixture(scope="module")
def weights() -> Weights:
    return load_weights("siamfc-lite")


@pytest.fixture(scope="module")
def tool(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("tools/compare_whole")


@pytest.mark.parametrize(
    ("score_offset", "scale", "frames", "updates", "redetect"),
    [
        (30.0, 1, 33, 1, False),  # always sure: the template is updated
        (-30.0, 1, 16, 0, True),  # LOST from the third frame on, and awaited where it was last seen from the thirteenth on
        (0.0, 6, 4, 0, False),  # so large that the frame is averaged over blocks, and reaching out of it
    ],
)
def test_boxes_scores_and_states_are_the_packages(
    weights: Weights, tool: ModuleType, score_offset: float, scale: int, frames: int, updates: int, redetect: bool
) -> None:
    sizes = [191, 223] if scale == 1 else []  # by the motion, or always the same
    overrides = {"score_offset": score_offset, "search_sizes": sizes, "search_size": 223, "redetect": redetect}
    package = tracker_from(weights, device="cpu", backend="onnx", **overrides)
    whole = tool.WholeTracker(whole_graphs(weights, config_of(weights, **overrides)), 1)
    wh = (SMALL_WH[0] * scale, SMALL_WH[1] * scale)
    states = set()
    for i in range(frames):
        frame, (x, y, w, h) = rendered_frame(i)
        frame = cv2.resize(frame, wh, interpolation=cv2.INTER_AREA)
        if i == 0:
            box = np.array([x, y, w, h]) * (wh[0] / 320)
            package.init(frame, box)
            whole.init(frame, box)
            continue
        expected, got = package.update(frame), whole.update(frame)
        assert got.box == pytest.approx(expected.box, abs=0.05)
        assert got.score == pytest.approx(expected.score, abs=0.01)
        assert got.state is expected.state
        states.add(got.state)
    if score_offset:
        assert states == ({State.UNCERTAIN, State.LOST} if score_offset < 0 else {State.TRACKING})
    memory = dict(zip(LENGTHS, np.split(whole.known[2], np.cumsum([*LENGTHS.values()])[:-1]), strict=True))
    assert memory["updates"] == updates


def test_a_target_that_comes_back_elsewhere_is_redetected_as_the_package_does_and_cuts_are_seen_if_told(
    weights: Weights, tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = whole_graphs(weights, config_of(weights))

    place = dict(zip(LENGTHS, np.cumsum([0, *LENGTHS.values()]), strict=False))

    def follow(
        change: Callable[[np.ndarray], np.ndarray], frames: int, told: bool = False
    ) -> list[tuple[TrackResult, TrackResult]]:
        package, whole = tracker_from(weights, device="cpu", backend="onnx"), tool.WholeTracker(graphs, 1)
        results = []
        for i in range(frames):
            frame, box = rendered_frame(i, (320, 240))
            if i == 0:
                package.init(frame, box)
                whole.init(frame, box)
                continue
            frame = frame if i < 5 else change(frame)
            if told and i == 5:  # as README.md says
                whole.known[2][place["missing_frames"]] = 2
            results.append((package.update(frame), whole.update(frame)))
            if told and i == 5 and results[-1][1].state is State.LOST:
                whole.known[2][place["awaited"]] = 1
        return results

    # To black: the package knows that the shot is over, the graphs wait for three frames without the target.
    states = [(expected.state, got.state) for expected, got in follow(np.zeros_like, 8)]
    assert states[4:] == [(State.LOST, State.UNCERTAIN), (State.LOST, State.UNCERTAIN), (State.LOST, State.LOST)]
    for expected, got in follow(np.zeros_like, 8, told=True):
        assert got.state is expected.state
        assert got.box == pytest.approx(expected.box, abs=0.05)
    monkeypatch.setattr("siamtrack.tracking.scene_cut.SceneCut.is_cut", lambda *_: False)
    results = follow(lambda frame: np.roll(frame, (70, 140), (0, 1)), 35)
    assert [got.state for _, got in results] == [expected.state for expected, _ in results]
    assert np.array([got.box for _, got in results]) == pytest.approx(
        np.array([expected.box for expected, _ in results]), abs=0.05
    )
    assert results[10][1].state is State.LOST
    assert results[-1][1].state is State.TRACKING


def test_crops_are_the_packages_wherever_they_lie() -> None:
    graph = Graph()
    frame, center_xy = graph.input("frame", "uint8", ("h", "w", 3)), graph.input("center_xy", "float64", (2,))
    side, size = graph.input("side", "float64", (1,)), graph.input("size", "int64", (1,))
    pad_color = graph.input("pad_color", "float64", (3,))
    graph.output("crop", crop_region(frame, center_xy, side, size, pad_color), (1, "s", "s", 3))
    run, draw = open_graph(graph.to_bytes(), {}, 1), np.random.default_rng(0)
    for size_px, scale in ((191, 0.4), (191, 1.3), (223, 1.9), (223, 2.4), (255, 3.5), (191, 4.1), (191, 8.2)):
        image = draw.integers(0, 256, (*draw.integers(200, 500, 2), 3), dtype=np.uint8)
        center = (draw.uniform(0, image.shape[1]), draw.uniform(0, image.shape[0]))
        color = mean_color(image)
        expected = SearchRegion(center, size_px * scale, size_px).extract(image, color)
        inputs = {"frame": image, "center_xy": np.array(center), "side": np.array([size_px * scale])}
        (crop,) = run(inputs | {"size": np.array([size_px]), "pad_color": np.round(color)})
        differs = crop[0].astype(int) - expected
        assert abs(differs).max() <= 1, scale
        assert (differs != 0).mean() < 1e-3, scale


@pytest.mark.parametrize("seed", range(3))
def test_the_state_machine_is_the_packages(seed: int) -> None:
    config = TrackerConfig(tracking_score=0.7, doubt_score=0.6, lost_score=0.4, redetect_slack=2.0, redetect=False)
    graph = Graph()
    memory = Memory(*graph.input("memory", "float64", (sum(LENGTHS.values()),)).split(list(LENGTHS.values())))
    odds = graph.input("odds", "float64", (1,))
    memory = scored(memory, odds)
    memory = memory._replace(**whole_phase(memory, odds, whole_sigmoid(memory.score_logit), config))
    graph.output("next", join(noted(memory, odds)), (sum(LENGTHS.values()),))
    run, draw = open_graph(graph.to_bytes(), {}, 1), np.random.default_rng(seed)
    phase, confidence = Phase(), Confidence(config, 1.0)
    numbers = {name: np.zeros(length) for name, length in LENGTHS.items()}
    numbers["mean_logit"][:] = numbers["score_logit"][:] = confidence.mean_logit
    seen, level = set(), 2.0
    for _ in range(400):
        level = 0.93 * level + draw.normal(0, 0.9)
        logit = float(level)
        stays = logit >= confidence.stay_logit
        score = confidence.score(logit, afresh=phase.state is State.LOST)
        phase = next_phase(phase, score, config, confidence.is_missing(logit), confirms=stays)
        if phase.state is not State.LOST and not phase.missing_frames:
            confidence.note(logit)
        (found,) = run({"memory": np.concatenate([*numbers.values()]), "odds": np.array([logit])})
        numbers = dict(zip(LENGTHS, np.split(found, np.cumsum([*LENGTHS.values()])[:-1]), strict=True))
        names = ("state", "missing_frames", "confirming_frames", "sure_frames")
        names += ("tentative", "score_count", "mean_logit", "score_logit")
        expected = (STATES.index(phase.state), phase.missing_frames, phase.confirming_frames, phase.sure_frames)
        expected += (float(phase.tentative), len(phase.last_scores))
        assert [float(numbers[name][0]) for name in names] == pytest.approx([*expected, confidence.mean_logit, log_odds(score)])
        seen.add((phase.state, phase.tentative))
    assert len(seen) == 4


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, weights: Weights) -> Path:
    """Folder of the default export."""
    folder = tmp_path_factory.mktemp("whole")
    write_folder(folder, whole_files(weights, config_of(weights)))
    return folder


@pytest.fixture(scope="module")
def exported32(tmp_path_factory: pytest.TempPathFactory, weights: Weights) -> Path:
    """Folder of the export for engines without 64 bits."""
    folder = tmp_path_factory.mktemp("whole32")
    write_folder(folder, whole_files(weights, config_of(weights), "float32"))
    return folder


def program(exported: Path, language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```", (exported / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    assert len(found) == 1
    return str(found[0])


def graphs_of(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph, and those of its branches."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs_of(attribute.g)


@pytest.mark.parametrize("real", ["float64", "float32"])
def test_the_graphs_are_valid_and_say_what_the_readme_says(real: str, request: pytest.FixtureRequest) -> None:
    exported = request.getfixturevalue({"float64": "exported", "float32": "exported32"}[real])
    text = (exported / "README.md").read_text(encoding="utf-8")
    for name in ("init", "update"):
        model = onnx.load(exported / f"{name}.onnx")
        onnx.checker.check_model(model, full_check=True)
        assert (model.ir_version, model.opset_import[0].version) == (8, 17)  # what ONNX Runtime 1.17 reads
        for value in (*model.graph.input, *model.graph.output):
            assert f"`{value.name}`" in text
        typed = onnx.shape_inference.infer_shapes(model).graph
        dtypes = {tensor.data_type for graph in graphs_of(typed) for tensor in graph.initializer}
        dtypes |= {value.type.tensor_type.elem_type for graph in graphs_of(typed) for value in graph.value_info}
        assert (onnx.TensorProto.DOUBLE in dtypes) == (real == "float64")
        own = [node.name for graph in graphs_of(typed) for node in graph.node if re.fullmatch(r"t\d+", node.name)]
        assert len(own) == len(set(own))
        assert set(own) <= {f"t{number}" for number in range(OWN_NODES)}
        assert not [node for graph in graphs_of(typed) for node in graph.node if node.op_type == "Conv" and node.name in own]


@pytest.mark.parametrize("real", ["float64", "float32"])
def test_the_readmes_python_follows_a_clip(
    real: str, request: pytest.FixtureRequest, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = rendered_frame(0)[1]
    monkeypatch.chdir(request.getfixturevalue({"float64": "exported", "float32": "exported32"}[real]))
    exported = Path.cwd()
    monkeypatch.setattr("sys.argv", ["track.py", str(clip), *map(str, first)])
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(program(exported, "python"), "README.md", "exec"), {"__name__": "__main__"})
    lines = [line.split() for line in said.getvalue().splitlines()]
    steps = list(siamtrack.track(clip, first, device="cpu", backend="onnx"))[1:]
    assert len(lines) == len(steps)
    boxes = np.array([[float(word) for word in words[:4]] for words in lines])
    expected = np.array([step.result.box for step in steps])
    if real == "float32":
        assert iou(boxes, expected).min() > 0.9
        return
    assert boxes == pytest.approx(expected, abs=0.05)
    for words, step in zip(lines, steps, strict=True):
        assert float(words[4]) == pytest.approx(step.result.score, abs=0.01)
        assert STATES[int(words[5])] is step.result.state


@pytest.mark.slow
def test_the_readmes_cpp_follows_a_clip(exported: Path) -> None:
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler")
    (exported / "track.cpp").write_text(program(exported, "cpp"), encoding="utf-8")
    install, *build, _ = program(exported, "sh").splitlines()
    assert install == "pip install openvino"
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    subprocess.run(["bash", "-ec", "\n".join(build)], cwd=exported, env={**os.environ, "PATH": path}, check=True)
    frames, boxes = zip(*(rendered_frame(i, (256, 192)) for i in range(8)), strict=True)
    raw = b"".join(frame.tobytes() for frame in frames)
    done = subprocess.run(
        ["./track", "256", "192", *map(str, boxes[0])], input=raw, cwd=exported, capture_output=True, check=True
    )
    found = np.array([line.split() for line in done.stdout.splitlines()], float)
    package = siamtrack.load(device="cpu", backend="onnx")
    package.init(frames[0], boxes[0])
    results = [package.update(frame) for frame in frames[1:]]
    expected = [boxes[0], *(result.box for result in results)]
    assert iou(found[:, :4], expected).min() > 0.95
    assert [STATES[int(number)] for number in found[1:, 5]] == [result.state for result in results]
    assert found[1:, 4] == pytest.approx([result.score for result in results], abs=0.05)


def test_the_command_writes_it_and_refuses_what_it_cannot_write(here: Command, exported32: Path, tmp_path: Path) -> None:
    done = here("export", "siamfc-lite", "--whole", "--float32", "--out", tmp_path / "whole")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "whole/update.onnx").read_bytes() == (exported32 / "update.onnx").read_bytes()
    assert sorted(path.name for path in (tmp_path / "whole").iterdir()) == ["README.md", "init.onnx", "update.onnx"]
    assert "update.onnx 2." in done.stdout
    (tmp_path / "file").touch()
    for words, said in (
        (("siamfc", "--whole", "--out", tmp_path / "a"), "siamfc has no box head, which a whole tracker needs"),
        (("siamfc-lite", "--float32", "--out", tmp_path / "a"), "--float32 is for --whole"),
        (("siamfc-lite", "--whole", "--out", tmp_path / "file"), "cannot be made"),
    ):
        done = here("export", *words)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert said in done.stderr
