from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import siamtrack
from siamtrack.model.siamese import Siamese
from siamtrack.tracking.engine import Engine
from siamtrack.tracking.runtimes import fastest
from siamtrack.tracking.runtimes.fastest import choose, medians

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache whose exported graphs all tests share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def cache(graphs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No answer is kept. `compile` is not asked: it would be measured as the others are, a minute later."""
    monkeypatch.setattr(fastest, "RUNTIMES", ("eager", "onnx", "cuda-graph"))
    monkeypatch.setenv("SIAMTRACK_CACHE", str(graphs))
    shutil.rmtree(graphs / "fastest", ignore_errors=True)
    return graphs / "fastest"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The runtimes of every measurement that was made."""
    calls: list[tuple[str, ...]] = []
    measure = fastest.medians

    def counting(works: dict[str, fastest.Look]) -> dict[str, float]:
        calls.append(tuple(works))
        return measure(works, rounds=1)

    monkeypatch.setattr(fastest, "medians", counting)
    return calls


def load(**given: object) -> siamtrack.Tracker:
    settings = {"device": "cpu", "precision": "float32", "runtime": "fastest", **given}
    return siamtrack.load("siamfc-lite", **settings)  # type: ignore[arg-type]


class Clock:
    """Time passes only where work is done."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, *seconds: float) -> Callable[[], None]:
        left: Iterator[float] = iter(seconds)

        def run() -> None:
            self.now += next(left)

        return run


def test_the_first_round_does_not_count_and_the_median_of_the_others_does() -> None:
    clock = Clock()
    works = {"compiled": clock.work(100, 1, 1, 9), "steady": clock.work(2, 2, 2, 2)}
    assert medians(works, 3, clock) == {"compiled": 1, "steady": 2}


def test_work_is_done_in_turns() -> None:
    order: list[str] = []
    medians({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert "".join(order) == "ababab"


def test_what_fails_is_left_out_whenever_it_does() -> None:
    clock = Clock()
    works = {"never": clock.work(), "twice": clock.work(1, 1), "always": clock.work(3, 3, 3)}
    assert medians(works, 2, clock) == {"always": 3}


@pytest.mark.parametrize(
    ("times", "winner"),
    [
        ({"eager": 3.0, "onnx": 2.0, "openvino": 1.0}, "openvino"),
        ({"eager": 3.0, "onnx": 2.0, "openvino": 1.95}, "onnx"),  # within noise: as `auto` has it
        ({"eager": 1.0, "openvino": 2.0}, "eager"),  # the usual one does not work
    ],
)
def test_the_fastest_wins_and_within_noise_the_usual_one(times: dict[str, float], winner: str) -> None:
    assert choose(times, "onnx") == winner


def test_it_is_measured_once_and_then_read(cache: Path, measured: list[tuple[str, ...]]) -> None:
    first = load()
    assert measured == [("eager", "onnx")]  # `cuda-graph` does not run on a CPU
    assert (first.engine.network_s, first.engine.network_calls) == (0, 0)
    (path,) = cache.iterdir()
    kept = json.loads(path.read_text())
    assert kept["runtime"] == first.engine.runtime
    assert set(kept["ms"]) == {"eager", "onnx"}
    assert kept["case"]["sizes"] == [191, 223, 255]
    other = {"eager": "onnx", "onnx": "eager"}[first.engine.runtime]
    path.write_text(json.dumps({**kept, "runtime": other}))
    assert load().engine.runtime == other
    assert len(measured) == 1


def test_a_runtime_that_is_slow_here_loses(measured: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    look = Engine.match_box

    def slow(engine: Engine, *given: object) -> object:
        if engine.runtime == "onnx":
            time.sleep(0.2)
        return look(engine, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Engine, "match_box", slow)
    tracker = load()
    assert measured == [("eager", "onnx")]
    assert tracker.engine.runtime == "eager"
    frame = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    tracker.init(frame, (40, 30, 30, 30))
    assert 0 <= tracker.update(frame).score <= 1


def test_with_auto_each_runtime_is_measured_in_its_own_precision(
    cache: Path, measured: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("siamtrack.tracking.placement", "siamtrack.tracking.runtimes.fastest"):
        monkeypatch.setattr(f"{module}.native_bfloat16", lambda _: True)
    seen: dict[str, str] = {}
    make = fastest._look

    def noting(engine: Engine, config: fastest.TrackerConfig) -> fastest.Look:
        seen[engine.runtime] = engine.precision
        return make(engine, config)

    monkeypatch.setattr(fastest, "_look", noting)
    settings = fastest.TrackerConfig()
    engine = fastest.fastest_engine(Siamese().eval(), settings, "cpu")
    assert seen == {"eager": "bfloat16", "onnx": "float32"}
    assert engine.precision == seen[engine.runtime]
    assert fastest.fastest_engine(Siamese().eval(), settings, "cpu").precision == engine.precision
    assert len(measured) == 1


@pytest.mark.parametrize(
    "given", [{"precision": "bfloat16"}, {"search_sizes": (), "search_size": 191}], ids=["precision", "sizes"]
)
def test_another_case_is_measured_by_itself(given: dict[str, object], cache: Path, measured: list[tuple[str, ...]]) -> None:
    load()
    load(**given)
    assert len(measured) == len(list(cache.iterdir())) == 2


def test_another_number_of_threads_is_another_case(cache: Path, measured: list[tuple[str, ...]]) -> None:
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            load()
    finally:
        torch.set_num_threads(before)
    assert len(measured) == len(list(cache.iterdir())) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-20],
        lambda text: "",
        lambda text: "[]",
        lambda text: "\0\xff",
        lambda text: text.replace('"processor": "', '"processor": "not '),
        lambda text: json.dumps({**json.loads(text), "runtime": "warp"}),
        lambda text: json.dumps({**json.loads(text), "runtime": ["onnx"]}),
        lambda text: json.dumps({**json.loads(text), "runtime": "cuda-graph"}),  # which this machine has not
    ],
    ids=["cut", "empty", "list", "bytes", "foreign", "unknown", "type", "elsewhere"],
)
def test_a_damaged_or_foreign_answer_is_measured_anew(
    damage: Callable[[str], str], cache: Path, measured: list[tuple[str, ...]]
) -> None:
    load()
    (path,) = cache.iterdir()
    path.write_text(damage(path.read_text()), encoding="latin-1")
    runtime = load().engine.runtime
    assert len(measured) == 2
    assert json.loads(path.read_text())["runtime"] == runtime


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(cache: Path, measured: list[tuple[str, ...]]) -> None:
    cache.write_text("in the way", encoding="utf-8")
    for _ in range(2):
        assert load().engine.runtime in ("eager", "onnx")
    assert len(measured) == 2
    cache.unlink()


def test_a_winner_whose_package_is_gone_is_replaced(
    cache: Path, measured: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    load()
    (path,) = cache.iterdir()
    path.write_text(json.dumps({**json.loads(path.read_text()), "runtime": "onnx"}))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert load().engine.runtime == "eager"
    assert measured[1:] == [("eager",)]


def test_an_unknown_device_is_refused_as_ever() -> None:
    with pytest.raises(ValueError, match="device 'gpu' is unknown"):
        load(device="gpu")


def test_the_command_line_says_that_it_measures_and_run_json_what_ran(
    here: Command, clip: Path, tmp_path: Path, measured: list[tuple[str, ...]]
) -> None:
    notes = []
    for name in ("first", "second"):
        given = ("--box", "60,80,40,50", "--out", tmp_path / name, "--runtime", "fastest", "--device", "cpu")
        done = here("track", clip, *given, "--precision", "float32")
        assert done.returncode == 0, done.stderr
        notes.append("measuring which runtime is the fastest" in done.stderr)
        assert json.loads((tmp_path / name / "run.json").read_text())["runtime"] in ("eager", "onnx")
    assert notes == [True, False]
    assert len(measured) == 1


def test_the_bench_shows_what_won(here: Command, clip: Path, tmp_path: Path, measured: list[tuple[str, ...]]) -> None:
    given = ("--frames", 3, "--rounds", 1, "--threads", 1, "--device", "cpu", "--precision", "float32")
    video = ("--video", clip, "--box", "60,80,40,50", "--json", tmp_path / "bench.json")
    done = here("bench", "--model", "siamfc-lite", "--runtime", "fastest", *video, *given)
    assert done.returncode == 0, done.stderr
    (one,) = json.loads((tmp_path / "bench.json").read_text())["contenders"]
    assert one["runtime"] in ("eager", "onnx")
    assert len(measured) == 1
