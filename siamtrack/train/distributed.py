"""Several processes that train as one: on the GPUs of a machine, of several machines, or on CPUs for a test.

Started by `torchrun`, which says in the environment who is who. The batch of a step is the same however many
processes share it, so W processes reach the weights that one would reach with the whole batch: norms take their
statistics over all of it, every exemplar sees every process's search regions, and DDP averages the gradients.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as differentiable
from torch import Tensor, nn


@dataclass(frozen=True)
class Group:
    """The processes of a run, as one of them sees it.

    Attributes:
        rank: number of this process. size: how many there are.
        local_rank: number of this process on its machine: which GPU is its own.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def gather(self, items: Tensor) -> Tensor:
        """(B, ...) of every process as (W B, ...), by rank; gradients flow back to where the items came from."""
        if self.size == 1:
            return items
        return torch.cat(differentiable.all_gather(items.contiguous()))  # type: ignore[no-untyped-call]

    def mean(self, value: Tensor) -> Tensor:
        """Mean of a number over the processes; no gradient."""
        if self.size == 1:
            return value
        value = value.detach().clone()
        dist.all_reduce(value)
        return value / self.size

    def sync_norms(self, module: nn.Module) -> None:
        """Let every batch norm below `module` take its statistics over all processes."""
        if self.size > 1:
            for child in module.modules():
                if type(child) is nn.BatchNorm2d:
                    child.__class__ = SyncedBatchNorm2d

    def barrier(self) -> None:
        """Wait for the others."""
        if self.size > 1:
            dist.barrier()


ALONE = Group()


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm with statistics over all processes. Torch's own does the same, but refuses to run on a CPU."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, H, W)."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        count = torch.full((1,), float(x.numel() // x.shape[1]), device=x.device)
        local = torch.cat([x.sum(dim=(0, 2, 3)), x.square().sum(dim=(0, 2, 3)), count])
        total: Tensor = differentiable.all_reduce(local)  # type: ignore[no-untyped-call]
        channels, number = x.shape[1], total[-1]
        mean = total[:channels] / number
        variance = (total[channels:-1] / number - mean.square()).clamp(min=0)
        if self.running_mean is not None and self.running_var is not None and self.momentum is not None:
            with torch.no_grad():
                if self.num_batches_tracked is not None:
                    self.num_batches_tracked.add_(1)
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance * number / (number - 1), self.momentum)
        x = (x - mean[:, None, None]) * (variance + self.eps).rsqrt()[:, None, None]
        if self.weight is not None:
            x = x * self.weight[:, None, None] + self.bias[:, None, None]
        return x.to(input.dtype)


@contextmanager
def joined(device: torch.device, timeout_s: float = 1800) -> Iterator[Group]:
    """The group that torchrun started this process in; a group of one where there was no torchrun.

    Processes talk through nccl on CUDA, gloo on CPUs. They wait `timeout_s` for another; torchrun then starts all again.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    group = Group(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), int(os.environ.get("LOCAL_RANK", "0")))
    if device.type == "cuda":
        torch.cuda.set_device(group.local_rank)
    timeout = timedelta(seconds=timeout_s)
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=_store(group, timeout), rank=group.rank, world_size=group.size, timeout=timeout)
    try:
        yield group
    finally:
        dist.destroy_process_group()


def _store(group: Group, timeout: timedelta) -> Any:
    """Where the processes tell each other their addresses, apart for every attempt.

    torchrun keeps one store over its restarts. A process that starts a little earlier than the others would read
    there the addresses of those that were killed, and fail to reach them: seen in one restart of three.
    """
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    kept = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    stores: Any = dist  # torch does not list them among its public names
    store = stores.TCPStore(host, port, group.size, is_master=group.rank == 0 and not kept, timeout=timeout, multi_tenant=True)
    return stores.PrefixStore(f"siamtrack/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
