from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from siamtrack.train.precision import LossScaler, autocast_dtype

CPU = torch.device("cpu")


def test_auto_is_what_the_device_does_best(monkeypatch: pytest.MonkeyPatch) -> None:
    for native, device, best in ((True, "cuda", torch.bfloat16), (False, "cuda", torch.float16), (False, "cpu", None)):
        monkeypatch.setattr("siamtrack.train.precision.native_bfloat16", lambda _, native=native: native)
        assert autocast_dtype("auto", torch.device(device)) is best


def test_a_named_precision_is_taken_at_its_word() -> None:
    assert [autocast_dtype(name, CPU) for name in ("float32", "bfloat16", "float16")] == [None, torch.bfloat16, torch.float16]  # type: ignore[arg-type]


def stepped(scaler: LossScaler, gradient: float) -> tuple[float, float]:
    """One step of a one-weight model with the given gradient: the weight after it, and the norm that it reports."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scaler.scale((model.weight * gradient).sum()).backward()
    scaler.unscale(optimizer)
    norm = nn.utils.clip_grad_norm_(model.parameters(), 1e9)
    return float(scaler.step(optimizer, norm)), model.weight.item()


def test_scaling_does_not_change_a_step() -> None:
    assert stepped(LossScaler(CPU, True), 0.5) == stepped(LossScaler(CPU, False), 0.5) == (0.5, -0.5)


def test_a_step_that_overflows_is_left_out_and_the_factor_halved() -> None:
    scaler = LossScaler(CPU, True)
    before = scaler.factor
    assert stepped(scaler, math.inf) == (0.0, 0.0)
    assert scaler.factor == before / 2


def test_gradients_that_are_too_large_by_themselves_are_seen() -> None:
    scaler = LossScaler(CPU, True)
    norms = [stepped(scaler, math.inf)[0] for _ in range(20)]
    assert norms[0] == 0
    assert not math.isfinite(norms[-1])


def test_the_factor_goes_on_from_a_checkpoint() -> None:
    scaler, again = LossScaler(CPU, True), LossScaler(CPU, True)
    stepped(scaler, math.inf)
    again.load(scaler.state())
    assert again.factor == scaler.factor
    unused = LossScaler(CPU, False)
    unused.load(unused.state())
    assert unused.factor == 1
