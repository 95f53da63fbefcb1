from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from siamtrack.boxes import Box
from siamtrack.data.sequence import Sequence
from siamtrack.errors import ConfigError, DataError, SiamtrackError
from siamtrack.eval.tune import (
    MIN_COMPLETE,
    Space,
    Trial,
    default_space,
    falls_behind,
    read_space,
    tune,
)
from siamtrack.eval.tune_report import TuneReport, plain_report
from siamtrack.eval.tune_study import NAME, import_optuna, locked
from siamtrack.frames import Image
from siamtrack.tracking.config import TrackerConfig

PRESENT = TrackerConfig(window_influence=0.3)
SPACE: Space = {"window_influence": (0.0, 0.6), "scale_damping": (0.1, 1.0)}


class Gray(Sequence):
    """A target that stays in its place; the frames' gray value is the number in the sequence's name."""

    def frames(self) -> Iterator[Image]:
        for _ in self.boxes_xywh:
            yield np.full((100, 100, 3), int(self.name), np.uint8)


class Shifted:
    """Stands beside the target by 40 px times the distance of window_influence from 0.45, and a bit more in odd sequences."""

    def __init__(self, config: TrackerConfig) -> None:
        self.config = config

    def init(self, frame: Image, box: Iterable[float]) -> None:
        self.box = Box(*box)

    def update(self, frame: Image) -> Box:
        off = 40 * abs(self.config.window_influence - 0.45) + frame[0, 0, 0] % 2
        return self.box._replace(x=self.box.x + off)


class Notes:
    """Writes down what a search tells."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int, float]] = []
        self.trials: list[Trial] = []

    def __call__(self, trial: Trial) -> None:
        self.steps.append((trial.number, len(trial.frames), trial.ao))
        if trial.pruned or len(trial.frames) == 6:
            self.trials.append(trial)


def sequences(count: int = 6) -> list[Sequence]:
    return [Gray(str(i), Path(str(i)), np.tile([30.0, 30, 40, 40], (4 + i % 3, 1))) for i in range(count)]


def search(path: Path, trials: int, **changes: Any) -> list[Trial]:
    arguments: dict[str, Any] = {"make_tracker": Shifted, "present": PRESENT, "space": SPACE, "sequences": sequences()}
    return tune(**{**arguments, "about": {"model_sha256": "a" * 64}, **changes}, study_path=path, trials=trials)


def states(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [state for (state,) in database.execute("SELECT state FROM trials ORDER BY number")]


def same(one: list[Trial], other: list[Trial]) -> bool:
    return [(t.constants, t.ao, t.pruned, t.present) for t in one] == [(t.constants, t.ao, t.pruned, t.present) for t in other]


@pytest.fixture(scope="module")
def sixteen(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Trial], Notes]:
    """A search of sixteen trials, and what it told."""
    notes = Notes()
    return search(tmp_path_factory.mktemp("study") / "s.sqlite", 16, watch=notes), notes


@pytest.fixture(scope="module")
def one_trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that holds one trial, for searches that are refused."""
    path = tmp_path_factory.mktemp("study") / "s.sqlite"
    search(path, 1)
    return path


def test_the_present_constants_come_first_and_better_ones_are_found(sixteen: tuple[list[Trial], Notes]) -> None:
    found, notes = sixteen
    assert len(found) == 16
    assert same(found, notes.trials)
    assert [trial.number for trial in found] == list(range(1, 17))
    assert [trial.present for trial in found] == [True] + [False] * 15
    assert found[0].constants == {"window_influence": 0.3, "scale_damping": PRESENT.scale_damping}
    assert set(found[0].frames) == {3.0, 4.0, 5.0}
    overlap = [(40 - off) / (40 + off) for off in (6.0, 7.0)]
    expected = sum(overlap[i % 2] * (3 + i % 3) for i in range(6)) / 24
    assert found[0].ao == pytest.approx(expected)
    assert max(trial.ao for trial in found if not trial.pruned) > found[0].ao + 0.05
    assert notes.steps[5] == (1, 6, pytest.approx(expected))


def test_pruned_trials_ran_a_prefix_of_the_same_order(sixteen: tuple[list[Trial], Notes]) -> None:
    found, _ = sixteen
    pruned = [trial for trial in found if trial.pruned]
    assert pruned
    for trial in pruned:
        assert 2 <= len(trial.frames) < 6
        assert trial.frames.tolist() == found[0].frames[: len(trial.frames)].tolist()
        before = [t for t in found[: trial.number - 1] if not t.pruned]
        assert len(before) >= MIN_COMPLETE
        length = len(trial.frames)
        prefixes = [t.overlap_sums[:length].sum() / t.frames[:length].sum() for t in before]
        assert trial.ao < np.median(prefixes)


def test_a_trial_falls_behind_by_its_value_now() -> None:
    assert falls_behind(0.5, [0.6] * MIN_COMPLETE)
    assert not falls_behind(0.6, [0.6] * MIN_COMPLETE)
    assert not falls_behind(0.1, [0.6] * (MIN_COMPLETE - 1))


def test_a_search_that_broke_off_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    class Power(RuntimeError):
        pass

    class Cut(Shifted):
        calls = 0

        def update(self, frame: Image) -> Box:
            Cut.calls += 1
            if Cut.calls == 75:  # 24 a complete trial: in the fourth
                raise Power
            return super().update(frame)

    path = tmp_path / "s.sqlite"
    with pytest.raises(Power):
        search(path, 12, make_tracker=Cut)
    assert states(path) == ["COMPLETE"] * 3 + ["FAIL"]
    resumed = search(path, 12)
    assert same(resumed, search(tmp_path / "whole.sqlite", 12))
    assert len(resumed) == 12
    again = search(path, 5)  # nothing left to do
    assert same(again, resumed)


def test_a_trial_that_was_running_when_killed_is_failed_and_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    first = search(path, 2)
    optuna = import_optuna()
    optuna.load_study(study_name=NAME, storage=f"sqlite:///{path}").ask()
    found = search(path, 4)
    assert states(path) == ["COMPLETE"] * 2 + ["FAIL"] + ["COMPLETE"] * 2
    assert same(found[:2], first)


def test_a_present_trial_that_was_cut_off_is_run_again(tmp_path: Path) -> None:
    class Cut(Shifted):
        def update(self, frame: Image) -> Box:
            raise KeyboardInterrupt

    path = tmp_path / "s.sqlite"
    with pytest.raises(KeyboardInterrupt):
        search(path, 3, make_tracker=Cut)
    found = search(path, 3)
    assert [trial.present for trial in found] == [True, False, False]


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"about": {"model_sha256": "b" * 64}}, r"model_sha256 \(was aaaaaaaaaaaa\.\.\., is bbbb"),
    (
        {"space": {**SPACE, "window_influence": (0.0, 0.5)}},
        r"window_influence \(was \[0\.0, 0\.6\], is \[0\.0, 0\.5\]",
    ),
    ({"present": TrackerConfig(window_influence=0.2)}, r"constants\.window_influence \(was 0\.3, is 0\.2\)"),
    ({"sequences": sequences(7)}, r"else: sequences\.6 \(was absent, is [0-9a-f]+\.\.\.\)\. Give"),
    ({"limit": 3}, r"limit \(was absent, is 3\)"),
    ({"seed": 1}, r"seed \(was 0, is 1\)"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_a_study_of_something_else_is_refused(one_trial: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(SiamtrackError, match=message):
        search(one_trial, 2, **change)
    assert states(one_trial) == ["COMPLETE"]


def test_labels_that_changed_are_noticed(one_trial: Path) -> None:
    mended = sequences()
    mended[0].boxes_xywh[1] = 0
    with pytest.raises(SiamtrackError, match=r"sequences\.0 \(was"):
        search(one_trial, 2, sequences=mended)


def test_other_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    text, other = tmp_path / "a.txt", tmp_path / "b.sqlite"
    text.write_text("hello, this is no database at all\n")
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE mine (x)")
    before = text.read_bytes(), other.read_bytes()
    for path in (text, other):
        with pytest.raises(SiamtrackError, match="holds no search of siamtrack tune"):
            search(path, 1)
    assert (text.read_bytes(), other.read_bytes()) == before


def test_two_searches_in_one_study_are_refused(one_trial: Path) -> None:
    with locked(one_trial), pytest.raises(SiamtrackError, match="in use by another search"):
        search(one_trial, 1)
    assert len(search(one_trial, 1)) == 1


def test_no_sequences_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sequences"):
        search(tmp_path / "s.sqlite", 1, sequences=[])


def test_without_optuna_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(SiamtrackError, match=r"pip install '\.\[tune\]'"):
        import_optuna()


def test_a_space_is_read_and_checked() -> None:
    space = read_space({"window_influence": [0, 0.5], "scale_count": [1, 3], "peaks": ["parabola", "bicubic"]}, PRESENT)
    assert space == {
        "window_influence": (0.0, 0.5),
        "scale_count": (1, 3),
        "peaks": ("parabola", "bicubic"),
    }
    assert read_space({key: list(values) for key, values in space.items()}, PRESENT) == space
    assert read_space({"window_influence": [0.1, 0.2, 0.3]}, PRESENT) == {"window_influence": (0.1, 0.2, 0.3)}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"window_influenc": [0, 0.5]}, "unknown key 'window_influenc'; did you mean 'window_influence'"),
        ({"window_influence": 0.5}, "window_influence: expected \\[low, high\\]"),
        ({"window_influence": [0, 2]}, "window_influence is 2.0; a finite number from 0 to 1 is wanted"),
        ({"window_influence": [0.5, 0.1]}, "is empty"),
        ({"window_influence": [0.4, 0.5]}, "does not hold the present 0.3"),
        ({"scale_count": [1, 2, 3]}, "it must be odd"),
        ({"scale_count": [1, "x"]}, "expected int, got 'x'"),
        ({}, "no constants"),
    ],
)
def test_a_space_that_cannot_be_used_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_space(values, PRESENT, "space.yaml")


def test_the_default_space_holds_the_present_constants_that_matter() -> None:
    space = default_space(replace(PRESENT, window_influence=0.8), False)
    assert list(space) == ["window_influence", "scale_step", "scale_penalty", "scale_damping"]
    assert space["window_influence"] == (0.0, 0.8)
    assert list(default_space(replace(PRESENT, scale_count=1), False)) == ["window_influence"]
    boxes = default_space(PRESENT, True)
    assert "scale_step" not in boxes
    assert "size_penalty" in boxes


def made(number: int, overlaps: Iterable[float], value: float = 0.3, pruned: bool = False) -> Trial:
    values = np.array(list(overlaps), dtype=np.float64)
    return Trial(number, {"window_influence": value}, values * 10, np.full(len(values), 10.0), pruned, number == 1)


RANGE: Space = {"window_influence": (0.0, 1.0)}


def test_the_standard_error_is_that_of_paired_sequences() -> None:
    rng = np.random.default_rng(0)
    easy = rng.uniform(0.2, 0.9, 60)  # sequences differ much more than the two trials do
    one, other = made(1, easy), made(2, easy + rng.normal(0.03, 0.05, 60))
    report = TuneReport([one, other], RANGE, {})
    gains = (other.overlap_sums - one.overlap_sums) / 10
    assert report.gain[1] == pytest.approx(gains.std(ddof=1) / 60**0.5, rel=0.05)
    assert report.gain[2][0] < gains.mean() < report.gain[2][1]
    assert TuneReport([one, other], RANGE, {}).gain == report.gain
    assert TuneReport([one, other], RANGE, {}, seed=1).gain[2] != report.gain[2]


def test_a_clear_gain_is_called_one() -> None:
    base = np.linspace(0.3, 0.8, 20)
    report = TuneReport([made(1, base), made(2, base + 0.05, 0.4), made(3, base - 0.1, 0.9)], RANGE, {})
    assert report.best.number == 2
    assert not report.within_noise
    assert report.gain[0] == pytest.approx(0.05)
    assert report.median_ao == pytest.approx(report.present.ao)
    assert "trial 2 beats the present constants by +0.050 AO" in report.verdict


def test_small_or_unsure_gains_are_within_noise() -> None:
    base = np.linspace(0.3, 0.8, 20)
    one_lucky = base + np.where(np.arange(20) == 3, 0.5, 0.0)
    for other in (base, base - 0.1, base + 0.009, one_lucky):
        report = TuneReport([made(1, base), made(2, other)], RANGE, {})
        assert report.verdict.startswith("within noise: keep the present constants")
    assert TuneReport([made(1, base), made(2, base)], RANGE, {}).best.present
    few = TuneReport([made(1, base[:4]), made(2, base[:4] + 0.1)], RANGE, {})
    assert few.verdict.startswith("within noise: keep the present constants")
    assert "4 sequences cannot tell" in few.verdict


def test_the_report_shows_the_spread() -> None:
    base = np.linspace(0.3, 0.6, 8)
    trials = [made(i, base + 0.01 * (i - 1), 0.3 + 0.01 * (i - 1)) for i in range(1, 21)]
    trials.append(made(21, base[:3] + 0.4, 0.99, pruned=True))  # an easy prefix is no comparison
    report = TuneReport(trials, RANGE, {"data": "toys"}, seed=3)
    assert report.best.number == 20
    assert report.top_range("window_influence") == pytest.approx([0.48, 0.49])
    plain = json.loads(json.dumps(plain_report(report)))
    assert plain["about"] == {"data": "toys"}
    assert (plain["trials"], plain["complete"], plain["pruned"]) == (21, 20, 1)
    assert plain["top_decile"]["trials"] == 2
    assert plain["best_less_present"]["ao"] == pytest.approx(0.19)
    assert plain["median_ao"] == pytest.approx(base.mean() + 0.095)


def test_choices_are_reported_as_such() -> None:
    space: Space = {"peaks": ("parabola", "bicubic")}
    base = made(1, np.linspace(0.3, 0.6, 8))
    trials = [replace(base, number=i, constants={"peaks": value}) for i, value in enumerate(space["peaks"], 1)]
    report = TuneReport(trials, space, {})
    assert report.top_range("peaks") == ["parabola"]
    assert plain_report(report)["space"] == {"peaks": ["parabola", "bicubic"]}
