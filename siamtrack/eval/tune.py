"""A search over tracker constants by tracking, kept in a SQLite study that a killed run goes on with."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from siamtrack.config import nearest, replace, to_plain
from siamtrack.data.sequence import Sequence
from siamtrack.errors import ConfigError, DataError
from siamtrack.eval.peers import BoxTracker
from siamtrack.eval.sequence_run import run_sequence
from siamtrack.eval.tune_study import import_optuna, locked, open_study
from siamtrack.tracking.config import TrackerConfig

if TYPE_CHECKING:
    import optuna

MIN_COMPLETE = 5
"""Complete trials that there must be before another is pruned."""
MIN_SHARE = 0.25
"""Share of the sequences that a trial runs before it can be pruned."""

Space = dict[str, tuple[Any, ...]]
"""What each constant may be: see `is_range`."""

DEFAULTS = {
    "window_influence": (0.0, 0.6),
    "scale_step": (1.01, 1.08),
    "scale_penalty": (0.9, 1.0),
    "scale_damping": (0.1, 1.0),
    "size_penalty": (0.0, 0.5),
}
BOX_ONLY = ("size_penalty",)
SCALES_ONLY = ("scale_step", "scale_penalty")


def is_range(key: str, values: tuple[Any, ...]) -> bool:
    """Whether values are the two ends of a range: two numbers of a constant that is a fraction. Others are choices."""
    return len(values) == 2 and isinstance(getattr(TrackerConfig, key), float)


def default_space(config: TrackerConfig, has_boxes: bool) -> Space:
    """Ranges of the constants that make a difference, each wide enough to hold its present value.

    Args:
        config: the present constants. has_boxes: whether the network has a box head.
    """
    idle = set(SCALES_ONLY if has_boxes else BOX_ONLY)
    if not has_boxes and config.scale_count == 1:
        idle |= {*SCALES_ONLY, "scale_damping"}
    present = {key: getattr(config, key) for key in DEFAULTS if key not in idle}
    return {key: (min(DEFAULTS[key][0], now), max(DEFAULTS[key][1], now)) for key, now in present.items()}


def read_space(values: Mapping[str, Any], config: TrackerConfig, where: str = "space") -> Space:
    """Check a space that a user wrote, a list a key.

    Args:
        values: what the user wrote. config: the present constants, which must lie in the space: they are tried first.
        where: the name that error messages give to the mapping.

    Raises:
        ConfigError: an unknown key, a value that the tracker would refuse, or a present constant outside the space.
    """
    known = [field.name for field in dataclasses.fields(TrackerConfig)]
    space: Space = {}
    for key, listed in values.items():
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}; {nearest(str(key), known)}")
        if not isinstance(listed, (list, tuple)) or len(listed) < 2:
            raise ConfigError(f"{where}.{key}: expected [low, high] or a list of two or more choices, got {listed!r}")
        checked = tuple(getattr(replace(config, where, **{key: value}), key) for value in listed)
        present, ranged = getattr(config, key), is_range(key, checked)
        if ranged and not checked[0] < checked[1]:
            raise ConfigError(f"{where}.{key}: [{checked[0]:g}, {checked[1]:g}] is empty; the lower end comes first")
        if not (checked[0] <= present <= checked[1] if ranged else present in checked):
            raise ConfigError(
                f"{where}.{key}: {list(checked)} does not hold the present {present!r}, which is tried first; "
                "widen it, or change the present value"
            )
        space[key] = checked
    if not space:
        raise ConfigError(f"{where}: no constants; give at least one, as KEY: [low, high]")
    return space


@dataclass(frozen=True)
class Trial:
    """Constants that were tried.

    Attributes:
        number: counting from 1, among the finished trials. constants: what was tried.
        overlap_sums, frames: (S,) summed overlap and number of frames of each sequence that was run, in the study's order.
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


def tune(
    make_tracker: Callable[[TrackerConfig], BoxTracker],
    present: TrackerConfig,
    space: Space,
    sequences: list[Sequence],
    study_path: Path,
    trials: int,
    limit: int | None = None,
    seed: int = 0,
    about: Mapping[str, Any] = {},
    watch: Callable[[Trial], None] = lambda _: None,
) -> list[Trial]:
    """Try constants until the study holds `trials` finished trials; the present constants are the first.

    Each trial depends on the trials before it and on the seed alone, so that a search that was killed and begun
    again makes the same trials as one that was not.

    Args:
        make_tracker: a tracker with the given constants. present: those that the others have to beat.
        space: what may change.
        sequences: what to track; run in an order shuffled by the seed, the same in every trial.
        study_path: a SQLite file, made if missing.
        trials: complete and pruned ones, those of earlier runs included. One that was cut off does not count.
        limit: only the first `limit` frames of each sequence.
        seed: of the order of sequences and of the sampler.
        about: what else makes a study what it is, as plain data: the model's hash, the precision.
        watch: is told of the trial after each of its sequences.

    Returns:
        All finished trials of the study.

    Raises:
        SiamtrackError: Optuna is missing; the file is not such a study, is in use, or is a study of something else.
        DataError: no sequences, or one that cannot be run.
    """
    library = import_optuna()
    if not sequences:
        raise DataError("no sequences to tune on; name at least one")
    ordered = sorted(sequences, key=lambda sequence: sequence.name)
    ordered = [ordered[i] for i in np.random.default_rng(seed).permutation(len(ordered))]
    identity = {
        **about,
        "constants": to_plain(present),
        "space": {key: list(values) for key, values in space.items()},
        # With their labels: mended ones make other scores.
        "sequences": {item.name: hashlib.sha256(item.boxes_xywh.astype("<f8").tobytes()).hexdigest() for item in ordered},
        "limit": limit,
        "seed": seed,
    }
    states = library.trial.TrialState
    with locked(study_path):
        study = open_study(study_path, identity)
        search = _Search(study, make_tracker, present, space, ordered, limit, watch)
        for left in study.get_trials(deepcopy=False, states=(states.RUNNING,)):
            study.tell(left.number, state=states.FAIL)
        while len(done := _finished(study, space)) < trials:
            # A sampler's random state is not in the file. One made anew for each trial needs none.
            sampler_seed = int(np.random.SeedSequence([seed, len(done)]).generate_state(1)[0])
            study.sampler = library.samplers.TPESampler(seed=sampler_seed)
            waiting = study.get_trials(deepcopy=False, states=(states.WAITING,))
            if not waiting and not any(trial.present for trial in done):
                study.enqueue_trial({key: getattr(present, key) for key in space}, user_attrs={"present": True})
            trial = study.ask()
            try:
                search.run(trial, len(done) + 1)
            except BaseException:
                study.tell(trial, state=states.FAIL)
                raise
        return done


@dataclass(frozen=True)
class _Search:
    """Runs one trial after the other; see `tune`. The sequences are in the study's order."""

    study: optuna.Study
    make_tracker: Callable[[TrackerConfig], BoxTracker]
    present: TrackerConfig
    space: Space
    sequences: list[Sequence]
    limit: int | None
    watch: Callable[[Trial], None]

    def run(self, trial: optuna.Trial, number: int) -> None:
        """Track with the constants that a trial suggests, and tell the study how that went."""
        constants = {
            key: trial.suggest_float(key, *values) if is_range(key, values) else trial.suggest_categorical(key, values)
            for key, values in self.space.items()
        }
        states, is_present = import_optuna().trial.TrialState, bool(trial.user_attrs.get("present"))
        complete = self.study.get_trials(deepcopy=False, states=(states.COMPLETE,))
        total = len(self.sequences)
        first_check = max(2, math.ceil(MIN_SHARE * total))
        runs: list[tuple[float, int]] = []
        tracker = self.make_tracker(replace(self.present, "tuned constants", **constants))
        for sequence in self.sequences:
            done = run_sequence(tracker, sequence, self.limit)
            runs.append((float(done.overlaps.sum()), done.overlaps.size))
            count, now = len(runs), _trial(number, constants, runs, False, is_present)
            trial.report(now.ao, count)
            others = [other.intermediate_values[count] for other in complete]
            behind = first_check <= count < total and not is_present and falls_behind(now.ao, others)
            self.watch(dataclasses.replace(now, pruned=behind))
            if behind:
                break
        trial.set_user_attr("runs", runs)
        self.study.tell(trial, None if behind else now.ao, states.PRUNED if behind else states.COMPLETE)


def falls_behind(running: float, others: list[float]) -> bool:
    """Whether a trial is worse than the median of the complete ones at the same point of the same order of sequences.

    Optuna's MedianPruner takes the trial's best value so far: one easy sequence at the start would save every trial.
    """
    return len(others) >= MIN_COMPLETE and running < statistics.median(others)


def _finished(study: optuna.Study, space: Space) -> list[Trial]:
    states = import_optuna().trial.TrialState
    found = study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED))
    return [
        _trial(
            number,
            {key: trial.params[key] for key in space},
            trial.user_attrs["runs"],
            trial.state == states.PRUNED,
            bool(trial.user_attrs.get("present")),
        )
        for number, trial in enumerate(sorted(found, key=lambda trial: trial.number), 1)
    ]


def _trial(number: int, constants: dict[str, Any], runs: list[tuple[float, int]], pruned: bool, present: bool) -> Trial:
    overlap_sums, frames = np.array(runs, dtype=np.float64).reshape(-1, 2).T
    return Trial(number, constants, overlap_sums, frames, pruned, present)
