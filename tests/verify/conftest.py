from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import torch
from glyphs import write_letters

from siamtrack.config import build
from siamtrack.train.session import TrainSession, Watcher
from siamtrack.verify.training import train_verifier
from siamtrack.verify.verifier_recipe import VerifierRecipe


@contextmanager
def one_thread() -> Iterator[None]:
    """Networks as small as these wait for each other's threads longer than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture(scope="module", autouse=True)
def on_one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="session")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_letters(tmp_path_factory.mktemp("letters"))


@pytest.fixture(scope="session")
def weights(letters: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A verifier of letters, trained for some seconds."""
    plain = {
        "tower": {"kind": "cnn", "dim": 16, "size": 32, "gray": True, "width": 8},
        "loss": "triplet",
        "margin": 0.3,
        "steps": 60,
        "epoch_steps": 60,
        "batch_size": 32,
        "lr": 0.003,
        "holdout": 0.4,
    }
    session = TrainSession(letters, tmp_path_factory.mktemp("run"), device="cpu", workers=0)
    with one_thread():
        return train_verifier(build(VerifierRecipe, plain), session, MagicMock(Watcher))
