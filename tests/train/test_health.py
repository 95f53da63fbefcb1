from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from siamtrack.errors import SiamtrackError
from siamtrack.train.health import check_health
from siamtrack.train.recipe import Recipe


def test_finite_numbers_pass(tmp_path: Path) -> None:
    check_health(3, 1.0, 2.0, {"logistic": 1.0}, nn.Linear(2, 2), Recipe(), tmp_path / "checkpoint.pt")


def test_the_cause_is_named(tmp_path: Path) -> None:
    net, checkpoint = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), tmp_path / "checkpoint.pt"
    with pytest.raises(SiamtrackError, match=r"loss is nan at step 7 \(not finite: softmax\).*no checkpoint was written yet"):
        check_health(7, math.nan, 1.0, {"logistic": 1.0, "softmax": math.nan}, net, Recipe(), checkpoint)
    checkpoint.touch()
    with pytest.raises(SiamtrackError, match=r"gradient's norm is inf at step 7 \(all weights are still finite.*last good"):
        check_health(7, 1.0, math.inf, {"logistic": 1.0}, net, Recipe(), checkpoint)
    with torch.no_grad():
        net[1].weight[0, 0] = math.nan
    with pytest.raises(SiamtrackError, match=r"weights are not finite, 1\.weight first"):
        check_health(8, math.nan, math.nan, {"logistic": math.nan}, net, Recipe(), checkpoint)
