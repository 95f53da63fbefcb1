"""Small clips, and settings of a batch on the CPU in one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rendered import rendered_frame

from siamtrack.batch.engine import RunSettings, settings_for
from siamtrack.video.sink import VideoSink

FRAMES = 12


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """As in the workers that tests start: sums must be added up in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a.mp4 and b.mp4."""
    folder = tmp_path_factory.mktemp("clips")
    for name in ("a", "b"):
        with VideoSink(folder / f"{name}.mp4", 25) as sink:
            for i in range(FRAMES):
                sink.write(rendered_frame(i)[0])
    return folder


@pytest.fixture(scope="session")
def settings_in() -> Callable[..., RunSettings]:
    """A function that makes settings for a folder of results."""
    shared = settings_for(Path(), "siamfc-lite", "cpu", "float32", "auto", {})

    def make(out: Path, **changed: Any) -> RunSettings:
        return replace(shared, out=str(out), **changed)

    return make
