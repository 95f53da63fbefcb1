"""A search over tracker constants by tracking, kept in a SQLite study that a killed run goes on with."""

from __future__ import annotations

import hashlib
import math
import statistics
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from siamtrack.config import nearest, replace, to_plain
from siamtrack.data.sequence import Sequence
from siamtrack.errors import ConfigError, DataError
from siamtrack.eval.evaluate import evaluate
from siamtrack.eval.peers import BoxTracker
from siamtrack.eval.tune_study import import_optuna, locked, open_study
from siamtrack.tracking.config import TrackerConfig

if TYPE_CHECKING:
    import optuna

MIN_COMPLETE = 5
"""Complete trials that there must be before another is pruned."""
MIN_SHARE = 0.25
"""Share of the sequences that a trial runs before it can be pruned."""


@dataclass(frozen=True)
class Range:
    """Any number from `low` to `high`."""

    low: float
    high: float


@dataclass(frozen=True)
class Choices:
    """One of a few values: numbers, strings or bools."""

    values: tuple[Any, ...]


Space = dict[str, Range | Choices]
"""What each constant may be, in the order in which reports show them."""

DEFAULTS = {
    "window_influence": (0.0, 0.6),
    "scale_step": (1.01, 1.08),
    "scale_penalty": (0.9, 1.0),
    "scale_damping": (0.1, 1.0),
    "size_penalty": (0.0, 0.5),
}
BOX_ONLY = ("size_penalty",)
SCALES_ONLY = ("scale_step", "scale_penalty")


def default_space(config: TrackerConfig) -> Space:
    """Ranges of the constants that make a difference under `config`, each wide enough to hold its present value."""
    box = config.scale_search == "box"
    idle = set(SCALES_ONLY if box else BOX_ONLY)
    if not box and config.scale_count == 1:
        idle |= {*SCALES_ONLY, "scale_damping"}
    present = {key: getattr(config, key) for key in DEFAULTS if key not in idle}
    return {key: Range(min(DEFAULTS[key][0], now), max(DEFAULTS[key][1], now)) for key, now in present.items()}


def read_space(values: Mapping[str, Any], config: TrackerConfig, where: str = "space") -> Space:
    """Check a space that a user wrote.

    Args:
        values: key -> list. Two numbers for a constant that is a fraction are a range; any other list is of choices.
        config: the present constants. They must lie in the space, because they are tried first.
        where: the name that error messages give to the mapping.

    Raises:
        ConfigError: an unknown key (the message names the nearest), a value that the tracker would refuse, or a
            present constant outside the space.
    """
    hints = typing.get_type_hints(TrackerConfig)
    space: Space = {}
    for key, listed in values.items():
        if key not in hints:
            raise ConfigError(f"{where}: unknown key {key!r}; {nearest(str(key), hints)}")
        if not isinstance(listed, (list, tuple)) or len(listed) < 2:
            raise ConfigError(f"{where}.{key}: expected [low, high] or a list of two or more choices, got {listed!r}")
        checked = tuple(getattr(replace(config, where, **{key: value}), key) for value in listed)
        present = getattr(config, key)
        if hints[key] is float and len(checked) == 2:
            low, high = checked
            if not low < high:
                raise ConfigError(f"{where}.{key}: [{low:g}, {high:g}] is empty; the lower end comes first")
            space[key] = Range(low, high)
            inside = low <= present <= high
        else:
            space[key] = Choices(checked)
            inside = present in checked
        if not inside:
            raise ConfigError(
                f"{where}.{key}: {list(checked)} does not hold the present {present!r}, which is tried first; "
                "widen it, or change the present value"
            )
    if not space:
        raise ConfigError(f"{where}: no constants; give at least one, as KEY: [low, high]")
    return space


def plain_space(space: Space) -> dict[str, list[Any]]:
    """The mapping that `read_space` reads."""
    return {key: [item.low, item.high] if isinstance(item, Range) else list(item.values) for key, item in space.items()}


@dataclass(frozen=True)
class Trial:
    """One finished trial.

    Attributes:
        number: counting from 1, among the finished trials.
        constants: what was tried.
        overlap_sums, frames: (S,) summed overlap and number of frames of each sequence that was run, in the study's
            order.
        pruned: it was given up early, and its sequences are only the first few.
        present: it is the model's present constants.
    """

    number: int
    constants: dict[str, Any]
    overlap_sums: NDArray[np.float64]
    frames: NDArray[np.float64]
    pruned: bool
    present: bool

    @property
    def ao(self) -> float:
        """Average overlap over all frames of the sequences that were run."""
        return float(self.overlap_sums.sum() / max(self.frames.sum(), 1))


class TuneWatcher(Protocol):
    """Is told how a search goes on."""

    def sequence(self, number: int, done: int, ao: float) -> None:
        """Trial `number` has run `done` sequences, with this average overlap so far."""

    def trial(self, trial: Trial) -> None:
        """A trial is finished."""


def tune(
    make_tracker: Callable[[TrackerConfig], BoxTracker],
    present: TrackerConfig,
    space: Space,
    sequences: list[Sequence],
    study_path: Path,
    trials: int,
    limit: int | None = None,
    seed: int = 0,
    about: Mapping[str, Any] | None = None,
    watcher: TuneWatcher | None = None,
) -> list[Trial]:
    """Try constants until the study holds `trials` finished trials; the present constants are the first.

    Each trial depends on the trials before it and on the seed alone, so that a search that was killed and begun
    again makes the same trials as one that was not.

    Args:
        make_tracker: a tracker with the given constants.
        present: the constants that the others have to beat.
        space: what may change.
        sequences: what to track; run in an order shuffled by the seed, the same in every trial.
        study_path: a SQLite file, made if missing.
        trials: complete and pruned ones, those of earlier runs included. One that was cut off does not count.
        limit: only the first `limit` frames of each sequence.
        seed: of the order of sequences and of the sampler.
        about: what else makes a study what it is, as plain data: the model's hash, the precision.
        watcher: is told of progress.

    Returns:
        All finished trials of the study.

    Raises:
        SiamtrackError: Optuna is missing; the file is not such a study, is in use, or is a study of something else.
        DataError: no sequences, or one that cannot be run.
    """
    optuna = import_optuna()
    if not sequences:
        raise DataError("no sequences to tune on; name at least one")
    ordered = sorted(sequences, key=lambda sequence: sequence.name)
    ordered = [ordered[i] for i in np.random.default_rng(seed).permutation(len(ordered))]
    identity = {
        **(about or {}),
        "constants": to_plain(present),
        "space": plain_space(space),
        # With their labels: mended ones make other scores.
        "sequences": {item.name: hashlib.sha256(item.boxes_xywh.astype("<f8").tobytes()).hexdigest() for item in ordered},
        "limit": limit,
        "seed": seed,
    }
    states = optuna.trial.TrialState
    with locked(study_path):
        study = open_study(study_path, identity)
        for left in study.get_trials(deepcopy=False, states=(states.RUNNING,)):
            study.tell(left.number, state=states.FAIL)
        while len(done := _finished(study, space)) < trials:
            # A sampler's random state is not in the file. One made anew for each trial needs none.
            sampler_seed = int(np.random.SeedSequence([seed, len(done)]).generate_state(1)[0])
            study.sampler = optuna.samplers.TPESampler(seed=sampler_seed)
            waiting = study.get_trials(deepcopy=False, states=(states.WAITING,))
            if not waiting and not any(trial.present for trial in done):
                study.enqueue_trial({key: getattr(present, key) for key in space}, user_attrs={"present": True})
            trial = study.ask()
            try:
                _run(study, trial, len(done) + 1, make_tracker, present, space, ordered, limit, watcher)
            except BaseException:
                study.tell(trial, state=states.FAIL)
                raise
        return done


def falls_behind(running: float, others: list[float]) -> bool:
    """Whether a trial is worse than the median of the complete ones at the same point of the same order of sequences.

    Optuna's MedianPruner is no help here: it takes the trial's best value so far, made for learning curves that
    rise. A running average starts anywhere, and one easy sequence at the start would save every trial.
    """
    return len(others) >= MIN_COMPLETE and running < statistics.median(others)


def _run(
    study: optuna.Study,
    trial: optuna.Trial,
    number: int,
    make_tracker: Callable[[TrackerConfig], BoxTracker],
    present: TrackerConfig,
    space: Space,
    sequences: list[Sequence],
    limit: int | None,
    watcher: TuneWatcher | None,
) -> None:
    states = import_optuna().trial.TrialState
    constants = {
        key: trial.suggest_float(key, item.low, item.high)
        if isinstance(item, Range)
        else trial.suggest_categorical(key, item.values)
        for key, item in space.items()
    }
    is_present = bool(trial.user_attrs.get("present"))
    complete = study.get_trials(deepcopy=False, states=(states.COMPLETE,))
    first_check = max(2, math.ceil(MIN_SHARE * len(sequences)))
    runs: list[tuple[float, int]] = []
    pruned = False
    for run in evaluate(make_tracker(replace(present, "tuned constants", **constants)), sequences, limit):
        runs.append((float(run.overlaps.sum()), run.overlaps.size))
        count = len(runs)
        running = sum(total for total, _ in runs) / max(sum(frames for _, frames in runs), 1)
        trial.report(running, count)
        if watcher is not None:
            watcher.sequence(number, count, running)
        others = [other.intermediate_values[count] for other in complete]
        if first_check <= count < len(sequences) and not is_present and falls_behind(running, others):
            pruned = True
            break
    trial.set_user_attr("runs", runs)
    study.tell(trial, None if pruned else running, states.PRUNED if pruned else states.COMPLETE)
    if watcher is not None:
        watcher.trial(_finished(study, space)[-1])


def _finished(study: optuna.Study, space: Space) -> list[Trial]:
    states = import_optuna().trial.TrialState
    found = study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED))
    trials = []
    for number, trial in enumerate(sorted(found, key=lambda trial: trial.number), 1):
        overlap_sums, frames = np.array(trial.user_attrs["runs"], dtype=np.float64).reshape(-1, 2).T
        constants = {key: trial.params[key] for key in space}
        present = bool(trial.user_attrs.get("present"))
        trials.append(Trial(number, constants, overlap_sums, frames, trial.state == states.PRUNED, present))
    return trials
