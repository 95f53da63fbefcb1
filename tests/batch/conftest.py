"""Small clips, and settings of a batch on the CPU in one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from siamtrack.batch.engine import RunSettings, settings_for


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """As in the workers that tests start: sums must be added up in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory, write_clip: Callable[..., Path]) -> Path:
    """A folder with a.mp4 and b.mp4, of 12 frames each."""
    folder = tmp_path_factory.mktemp("clips")
    for name in ("a", "b"):
        write_clip(folder / f"{name}.mp4", frames=12)
    return folder


@pytest.fixture(scope="session")
def settings_in() -> Callable[..., RunSettings]:
    """A function that makes settings for a folder of results."""
    shared = settings_for(Path(), "siamfc-lite", "cpu", "float32", "auto", {})

    def make(out: Path, **changed: Any) -> RunSettings:
        return replace(shared, out=str(out), **changed)

    return make
