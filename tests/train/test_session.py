from __future__ import annotations

import pytest
import torch

from siamtrack.train import session
from siamtrack.train.session import MAX_LOADERS, loading_processes


@pytest.mark.parametrize(
    ("asked", "device", "cores", "gpus", "expected"),
    [
        (None, "cpu", 64, 1, 1),
        (None, "cuda", 16, 1, 15),
        (None, "cuda:3", 64, 8, 7),
        (None, "cuda", 256, 1, MAX_LOADERS),
        (None, "cuda", 2, 8, 1),
        (0, "cuda", 16, 1, 0),
        (5, "cpu", 2, 1, 5),
    ],
)
def test_a_gpu_is_fed_by_its_share_of_the_cores(
    monkeypatch: pytest.MonkeyPatch, asked: int | None, device: str, cores: int, gpus: int, expected: int
) -> None:
    monkeypatch.setattr(session, "usable_cores", lambda: cores)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(gpus))
    assert loading_processes(asked, torch.device(device)) == expected
