"""`siamtrack eval` on a disk that fills: by a limit on the size of files, and where tests may mount one, a small real disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from commands import Command, siam
from rendered import rendered_frame

from siamtrack.cli import app

resource = pytest.importorskip("resource")

SEQUENCES = {"near": (13, (5, 6, 8, 8)), "far": (12, (120, 110, 40, 40)), "last": (5, (60, 60, 20, 20))}
"""Run in this order, the longest first. Its large numbers make the boxes of `far` the largest file, 408 bytes."""
LIMIT_BYTES = 400


class Disk(NamedTuple):
    """A folder for results on a disk that can be made too small.

    Attributes:
        folder: in which to write.
        fill: leaves room for `near`, not for `far`; gives arguments for the process that must not get more.
        empty: makes room again.
        says: the system's words for it.
    """

    folder: Path
    fill: Callable[[], dict[str, Any]]
    empty: Callable[[], None]
    says: str


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sequences in GOT-10k's layout."""
    root = tmp_path_factory.mktemp("full") / "mine"
    for name, (frames, box) in SEQUENCES.items():
        (root / name).mkdir(parents=True)
        for i in range(frames):
            cv2.imwrite(str(root / name / f"{i + 1:08d}.jpg"), rendered_frame(2 * i)[0])
        np.savetxt(root / name / "groundtruth.txt", [box] * frames, fmt="%.4f", delimiter=",")
    return root


def command(data: Path, out: Path) -> tuple[object, ...]:
    return ("eval", "folder", data, "--out", out, "--tracker", "identity", "--jobs", 1)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert app(list(map(str, command(data, out))), standalone_mode=False) in (0, None)
    return out


@pytest.fixture(params=["limit", "tmpfs"])
def disk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # a .pyc cut by the limit would be everybody's trouble
    if request.param == "limit":
        yield Disk(tmp_path, lambda: limited(LIMIT_BYTES), lambda: None, "File too large")
        return
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True).returncode
    ):
        pytest.skip("no right to mount a disk here")

    def resize(size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)

    def fill() -> dict[str, Any]:
        found = os.statvfs(folder)
        # Every file takes a page: three for `near`, two for all of `far` but its boxes.
        resize((found.f_blocks - found.f_bfree) * found.f_frsize + 5 * os.sysconf("SC_PAGE_SIZE"))
        return {}

    try:
        yield Disk(folder, fill, lambda: resize(2**24), "No space left on device")
    finally:
        subprocess.run(["umount", folder], check=True)


def limited(size: int) -> dict[str, Any]:
    """Arguments for a process that can write no file of more bytes."""
    return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))}


def results_of(out: Path) -> dict[str, bytes]:
    """Everything below `results` but times, which differ from run to run."""
    files = (path for path in sorted((out / "results").rglob("*")) if path.is_file() and "_time" not in path.name)
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def state_of(*folders: Path) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for folder in folders for path in folder.iterdir()}


@pytest.mark.slow
def test_a_run_goes_on_when_there_is_room_again(here: Command, data: Path, whole: Path, disk: Disk) -> None:
    out = disk.folder / "out"
    results = out / "results/identity"
    shutil.copytree(whole, out)
    for name in ("near", "far"):
        shutil.rmtree(results / name)
    reports = [path for path in out.iterdir() if path.is_file()]
    for path in reports:
        path.unlink()
    earlier = state_of(results / "last")
    limits = disk.fill()
    stopped = siam(*command(data, out), **limits) if limits else here(*command(data, out))
    assert stopped.returncode == 2, stopped.stderr
    *progress, error = stopped.stderr.splitlines()
    assert progress == ["2/3  identity  near"]
    assert error.startswith(f"siamtrack: error: {results}/far/far_001.txt cannot be written ({disk.says}); ")
    assert error.endswith("; finished sequences are kept, and the same command goes on once it can")
    assert stopped.stdout == ""  # nothing was scored
    assert not [path for path in out.iterdir() if path.is_file()]
    assert not list(out.rglob("*.part"))
    assert not (results / "far/far_001.txt").exists()
    assert state_of(results / "last") == earlier
    assert (results / "near/near_001.txt").read_bytes() == (whole / "results/identity/near/near_001.txt").read_bytes()
    finished = state_of(results / "last", results / "near")

    disk.empty()
    resumed = here(*command(data, out))
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stderr.splitlines() == ["3/3  identity  far"]
    assert "(3 sequences, 27 frames)" in resumed.stdout
    assert results_of(out) == results_of(whole)
    assert state_of(results / "last", results / "near") == finished
    assert sorted(path.name for path in reports) == sorted(path.name for path in out.iterdir() if path.is_file())


@pytest.mark.slow
def test_a_report_that_does_not_fit_loses_neither_the_old_one_nor_results(
    data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    page, picture = ((out / name).read_bytes() for name in ("report.html", "curves.png"))
    stopped = siam(*command(data, out), **limited(len(picture) // 2))
    assert stopped.returncode == 2
    assert (
        stopped.stderr
        == f"siamtrack: error: {out}/curves.png cannot be written (File too large); give --out a folder that can\n"
    )
    assert stopped.stdout == ""
    assert results_of(out) == results_of(whole)
    assert ((out / "report.html").read_bytes(), (out / "curves.png").read_bytes()) == (page, picture)
