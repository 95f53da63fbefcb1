from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from commands import wait_until
from torch import nn

from siamtrack.train.bookkeeping import CHECKPOINT
from siamtrack.train.distributed import ALONE, SyncedBatchNorm2d
from siamtrack.train.loop import train
from siamtrack.train.prepare import open_store
from siamtrack.train.tracker_task import tracker_task

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from distributed_run import RECIPE  # noqa: E402


def torchrun(sources: list[Path], cache: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", *options]
    command += [str(HERE / "distributed_run.py"), ",".join(map(str, sources)), str(cache), str(out)]
    environment = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finished(process: subprocess.Popen[str]) -> str:
    try:
        output, _ = process.communicate(timeout=600)  # only so that nothing hangs for ever
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
    assert process.returncode == 0, output
    return output


def difference(out: Path, whole: dict[str, torch.Tensor]) -> float:
    """Largest difference of any tensor, as a share of how far training moved that tensor's largest element."""
    state = torch.load(out / CHECKPOINT, weights_only=True)
    assert state["step"] == RECIPE.steps
    return max(
        float((state["average"][key].float() - value.float()).abs().max() / value.float().abs().max().clamp(min=1e-3))
        for key, value in whole.items()
    )


@pytest.fixture(scope="module")
def cache(got10k_root: Path, stills: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared-crops")
    for source in (got10k_root, stills):
        open_store(source, folder)
    return folder


@pytest.fixture(scope="module")
def whole(got10k_root: Path, stills: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    stores = [open_store(source, cache) for source in (got10k_root, stills)]
    return train(tracker_task(RECIPE, stores), tmp_path_factory.mktemp("whole"), workers=0).state_dict()


@pytest.mark.slow
def test_two_processes_one_of_them_killed_and_started_again_reach_the_weights_of_one_with_the_whole_batch(
    got10k_root: Path, stills: Path, cache: Path, whole: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    process = torchrun([got10k_root, stills], cache, tmp_path, "--max-restarts", "2")
    wait_until((tmp_path / CHECKPOINT).exists, process, within_s=600)
    workers = children(process.pid)
    assert len(workers) == 2, workers
    os.kill(workers[1], signal.SIGKILL)
    finished(process)
    assert difference(tmp_path, whole) < 2e-3


def children(pid: int) -> list[int]:
    """Processes started by `pid`, in the order of their ids."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True)
    return sorted(int(line) for line in listed.stdout.split())


def test_a_process_alone_gathers_itself() -> None:
    items = torch.arange(6.0).reshape(2, 3)
    assert ALONE.gather(items) is items
    assert ALONE.mean(items) is items
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    ALONE.sync_norms(net)
    assert type(net[1]) is nn.BatchNorm2d


def test_synced_norms_are_the_plain_ones_in_evaluation() -> None:
    norm = nn.BatchNorm2d(3).eval()
    x = torch.rand(2, 3, 4, 4)
    expected = norm(x)
    norm.__class__ = SyncedBatchNorm2d
    assert torch.equal(norm(x), expected)
