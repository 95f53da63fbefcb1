from __future__ import annotations

import csv
from pathlib import Path

from siamtrack.train.log import Log, StepReport

PARTS = ("logistic", "hit")


def report(step: int) -> StepReport:
    return StepReport(step, 1e-3, 2.0 - step, {"logistic": 0.5, "hit": 1.0}, 3.0, 100.0, 0.25)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_rows_after_the_checkpoint_are_dropped_on_resume(tmp_path: Path) -> None:
    log = Log(tmp_path, 0, PARTS)
    for step in range(4):
        log.add(report(step))
    assert rows(tmp_path / "log.csv") == []  # nothing is written before the checkpoint that knows it
    log.flush()
    log.add_validation(2, {"ao": 0.5, "sr50": 0.6})
    log.add_validation(4, {"ao": 0.4, "sr50": 0.5})
    again = Log(tmp_path, 2, PARTS)
    again.add(report(2))
    again.flush()
    assert [int(row["step"]) for row in rows(tmp_path / "log.csv")] == [0, 1, 2]
    again.add_validation(4, {"ao": 0.7, "sr50": 0.5})
    assert [(row["step"], row["ao"]) for row in rows(tmp_path / "val.csv")] == [("2", "0.5000"), ("4", "0.7000")]


def test_only_one_process_writes(tmp_path: Path) -> None:
    log = Log(tmp_path, 0, PARTS, write=False)
    log.add(report(0))
    log.add_validation(1, {"ao": 0.5})
    log.flush()
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_gets_the_same_numbers(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = Log(tmp_path, 0, PARTS)
    log.add(report(0))
    log.flush()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert events.Scalars("train/loss")[0].value == 2.0
