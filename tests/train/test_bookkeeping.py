from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from commands import rows_of
from torch import nn

from siamtrack.errors import SiamtrackError
from siamtrack.train.bookkeeping import Average, Log, StepReport, check_health
from siamtrack.train.recipe import Recipe

PARTS = ("logistic", "hit")


def test_the_average_follows_and_ends_where_the_network_stays() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    average = Average(net, 0.9)
    with torch.no_grad():
        net[0].weight.fill_(1.0)
        net[1].num_batches_tracked += 5
    average.update(net, 0)
    first = average.state["0.weight"].clone()
    assert not torch.equal(first, net[0].weight)
    for step in range(1, 200):
        average.update(net, step)
    assert torch.allclose(average.state["0.weight"], torch.ones(3, 3), atol=1e-6)
    assert average.state["1.num_batches_tracked"] == 5


def test_decay_zero_is_a_copy_and_a_checkpoint_comes_back() -> None:
    net = nn.Linear(2, 2)
    average = Average(net, 0.0)
    with torch.no_grad():
        net.weight.fill_(3.0)
    average.update(net, 4)
    assert torch.equal(average.state["weight"], net.weight)
    other = Average(nn.Linear(2, 2), 0.5)
    other.load(average.state)
    assert torch.equal(other.state["weight"], net.weight)


def report(step: int, loss: float = 1.0, norm: float = 2.0, **parts: float) -> StepReport:
    return StepReport(step, 1e-3, loss, parts or {"logistic": 0.5, "hit": 1.0}, norm, 100.0, 0.25)


def test_finite_numbers_pass_and_any_other_does_not(tmp_path: Path) -> None:
    net, checkpoint = nn.Linear(2, 2), tmp_path / "checkpoint.pt"
    check_health(report(3), net, Recipe(), checkpoint)
    check_health(report(3, share=math.nan), net, Recipe(), checkpoint)  # a share to watch is no part of the sum
    for bad in (report(3, loss=math.nan), report(3, norm=math.nan), report(3, loss=-math.inf)):
        with pytest.raises(SiamtrackError, match="at step 3"):
            check_health(bad, net, Recipe(), checkpoint)


def test_the_cause_is_named(tmp_path: Path) -> None:
    net, checkpoint = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), tmp_path / "checkpoint.pt"
    with pytest.raises(SiamtrackError, match=r"loss is nan at step 7 \(not finite: softmax\).*no checkpoint was written yet"):
        check_health(report(7, math.nan, logistic=1.0, softmax=math.nan), net, Recipe(), checkpoint)
    checkpoint.touch()
    with pytest.raises(SiamtrackError, match=r"gradient's norm is inf at step 7 \(all weights are still finite.*last good"):
        check_health(report(7, norm=math.inf), net, Recipe(), checkpoint)
    with torch.no_grad():
        net[1].weight[0, 0] = math.nan
    with pytest.raises(SiamtrackError, match=r"weights are not finite, 1\.weight first"):
        check_health(report(8, math.nan, math.nan, logistic=math.nan), net, Recipe(), checkpoint)


def test_rows_after_the_checkpoint_are_dropped_on_resume(tmp_path: Path) -> None:
    log = Log(tmp_path, 0, (*PARTS, "gone"))  # of a version whose loss had a part more
    for step in range(4):
        log.add(report(step))
    assert rows_of(tmp_path / "log.csv") == []  # nothing is written before the checkpoint that knows it
    log.flush()
    log.add_validation(2, {"ao": 0.5, "sr50": 0.6})
    log.add_validation(4, {"ao": 0.4, "sr50": 0.5})
    again = Log(tmp_path, 2, PARTS)
    again.add(report(2))
    again.flush()
    assert [int(row["step"]) for row in rows_of(tmp_path / "log.csv")] == [0, 1, 2]
    assert "gone" not in rows_of(tmp_path / "log.csv")[0]
    again.add_validation(4, {"ao": 0.7, "sr50": 0.5})
    assert [(row["step"], row["ao"]) for row in rows_of(tmp_path / "val.csv")] == [("2", "0.5000"), ("4", "0.7000")]


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
    assert events.Scalars("train/loss")[0].value == 1.0
