#!/usr/bin/env python3
"""How much of what a machine can do the network uses (Williams, Waterman and Patterson, CACM 2009: the roofline model).

    experiments/speed/roofline.py siamfc-lite siamfc --threads 2
    experiments/speed/roofline.py siamfc,precision=bfloat16,backend=torch

Work is counted, not guessed: multiply-adds of one tracked frame by PyTorch's own counter, over the graphs that tracking is
made of. The machine's peaks are measured: a large product of matrices, a large convolution, a large copy.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from siamtrack.backends.select import PRECISIONS
from siamtrack.eval.named import TrackerSpec
from siamtrack.eval.runner import computing_with
from siamtrack.eval.speed import run_round
from siamtrack.eval.speed_clip import render_clip
from siamtrack.machine import processor_name
from siamtrack.model.graphs import make_graphs
from siamtrack.model.siamese import Siamese
from siamtrack.models import EXEMPLAR_SIZE, embedding_size
from siamtrack.tracking.config import TrackerConfig


@dataclass(frozen=True)
class Work:
    """What the network does in one tracked frame.

    Attributes:
        multiply_adds: in convolutions, linear layers and correlations.
        values: read and written by convolutions and linear layers, if nothing stays in a cache between two of them.
    """

    multiply_adds: int
    values: int


@dataclass(frozen=True)
class Machine:
    """What this machine reaches.

    Attributes:
        peak_gflops: most floating point operations, 1e9 a second, by precision.
        bandwidth_gb_s: most bytes read and written, 1e9 a second.
    """

    peak_gflops: Mapping[str, float]
    bandwidth_gb_s: float


@dataclass(frozen=True)
class Roofline:
    """One network under the machine's roof.

    Attributes:
        name: of the tracker. precision: that the peak is of.
        gmacs: 1e9 multiply-adds a frame. mbytes: 1e6 bytes of values a frame; see `Work`.
        intensity: operations a byte; a multiply-add is two operations.
        gflops: reached, 1e9 operations a second. gb_s: 1e9 bytes a second that go with it.
        of_peak, of_bandwidth: shares of what the machine reaches. A convolution that saves multiplications (Winograd's) may
            reach more than 1.
        bound: `compute` or `memory`: which of them would be used up first.
        of_limit: share of the frames a second that this limit allows.
    """

    name: str
    precision: str
    gmacs: float
    mbytes: float
    intensity: float
    gflops: float
    gb_s: float
    of_peak: float
    of_bandwidth: float
    bound: str
    of_limit: float


def count_work(net: Siamese, config: TrackerConfig) -> Work:
    """Work of one frame, of the graphs as they run: norms are folded, kernels of the exemplar made before.

    Args:
        net: the network. config: says how many crops a frame has, and how large. Of several search sizes it is the smallest:
            the least that a frame can be, so that no share of a peak is too high.
    """
    graphs = make_graphs(net)
    size = config.sizes[0]
    crops = config.scale_count if net.box is None else 1
    cells, channels = embedding_size(EXEMPLAR_SIZE), net.backbone.channels
    images = torch.zeros(crops, size, size, 3, dtype=torch.uint8)
    exemplar = torch.zeros(crops, channels, cells, cells)
    if net.box is None:
        return counted([graphs["embed"], graphs["match"]], lambda: graphs["match"](exemplar, graphs["embed"](images)))
    with torch.no_grad():
        kernel = graphs["kernel"](exemplar)
    size_wh = torch.full((1, 2), 64.0)
    parts = [graphs["embed"], graphs["box"]]
    return counted(parts, lambda: graphs["box"](exemplar, kernel, graphs["embed"](images), size_wh))


def counted(modules: Iterable[nn.Module], call: Callable[[], Any]) -> Work:
    """Work of a call that runs these modules."""
    values = 0

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal values
        values += inputs[0].numel() + output.numel() + sum(weight.numel() for weight in module.parameters(recurse=False))

    layers = [part for module in modules for part in module.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            call()
    finally:
        for hook in hooks:
            hook.remove()
    return Work(counter.get_total_flops() // 2, values)


def measure_machine(device: torch.device, precisions: Iterable[str]) -> Machine:
    """Measure peaks on a device, in a few seconds.

    Args:
        device: where. precisions: names; those that PyTorch does not multiply in, such as int8, are left out.
    """
    known = sorted({name for name in precisions if name in PRECISIONS} | {"float32"})
    return Machine({name: peak_gflops(device, getattr(torch, name)) for name in known}, bandwidth_gb_s(device))


def peak_gflops(device: torch.device, dtype: torch.dtype, side: int | None = None, tries: int = 8) -> float:
    """1e9 operations a second, the best of several tries, of a product of two square matrices or of a 3 x 3 convolution.

    Both, because they are the work of different libraries: on a Zen 4 the product reached 184 GFLOP/s where the
    convolution reached 222, and a network would have had more than all there is.

    Args:
        device, dtype: where, and of what.
        side: of the matrices; None for 1536 on a CPU and 8192 on a GPU. A sixth of it, in eights, are the convolution's
            channels.
        tries: how many.
    """
    side = side or (8192 if device.type == "cuda" else 1536)
    left, right = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    out = torch.empty(side, side, device=device, dtype=dtype)
    product = 2 * side**3 / _best(lambda: torch.matmul(left, right, out=out), device, tries)
    channels, length = max(side // 48, 1) * 8, 64  # a GPU's matrix units want eights
    shapes = (1, channels, length, length), (channels, channels, 3, 3)
    image, kernel = (torch.rand(shape, device=device).to(dtype, memory_format=torch.channels_last) for shape in shapes)
    operations = 2 * (length - 2) ** 2 * channels**2 * 9
    convolution = operations / _best(lambda: functional.conv2d(image, kernel), device, tries)
    return max(product, convolution) / 1e9


def bandwidth_gb_s(device: torch.device, megabytes: int | None = None, tries: int = 8) -> float:
    """1e9 bytes a second, read and written, of a copy that no cache can hold; the best of several."""
    megabytes = megabytes or (1024 if device.type == "cuda" else 256)
    source = torch.ones(megabytes * 250_000, device=device)
    target = torch.zeros_like(source)
    return 2 * megabytes * 1e6 / _best(lambda: target.copy_(source), device, tries) / 1e9


def under_roof(name: str, reached: str, work: Work, network_s: float, machine: Machine) -> Roofline:
    """Where a network lies under the roof.

    Args:
        name: of the tracker. reached: the precision that it runs in. work: of one frame of it.
        network_s: seconds that its network takes for one. machine: what the machine reaches.
    """
    precision = reached if reached in machine.peak_gflops else "float32"
    operations, size = 2 * work.multiply_adds, work.values * getattr(torch, precision).itemsize
    peak, bandwidth = machine.peak_gflops[precision] * 1e9, machine.bandwidth_gb_s * 1e9
    computing_s, moving_s = operations / peak, size / bandwidth
    return Roofline(
        name,
        precision,
        work.multiply_adds / 1e9,
        size / 1e6,
        operations / size,
        operations / network_s / 1e9,
        size / network_s / 1e9,
        computing_s / network_s,
        moving_s / network_s,
        "compute" if computing_s >= moving_s else "memory",
        max(computing_s, moving_s) / network_s,
    )


def _best(work: Callable[[], Any], device: torch.device, tries: int) -> float:
    work()
    taken = []
    for _ in range(tries):
        _wait(device)
        began = time.perf_counter()
        work()
        _wait(device)
        taken.append(time.perf_counter() - began)
    return min(taken)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    """Measure, and print a line a tracker and one a peak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="a name or a weights file, with settings if any")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    clip, found = render_clip(), []
    with computing_with(args.threads) as threads:
        for name in args.models:
            tracker, weights = TrackerSpec(name, device=args.device).ours()
            run_round(tracker, clip, 20)
            network = run_round(tracker, clip, args.frames)[0].network
            assert network is not None, "ours has a network"
            found.append((name, tracker.backend, count_work(weights.net, tracker.config), 1 / network.fps))
        machine = measure_machine(torch.device(found[0][1].device), [backend.precision for _, backend, _, _ in found])
    print(f"{processor_name()}, {threads} threads, {machine.bandwidth_gb_s:.1f} GB/s")
    for precision, peak in machine.peak_gflops.items():
        print(f"peak in {precision}: {peak:.0f} GFLOP/s")
    for name, backend, work, seconds in found:
        roof = under_roof(name, backend.precision, work, seconds, machine)
        print(
            f"{name}: {roof.gmacs:.2f} G multiply-adds a frame, {roof.gflops:.0f} GFLOP/s "
            f"({100 * roof.of_peak:.0f} % of the {roof.precision} peak), {roof.gb_s:.1f} GB/s "
            f"({100 * roof.of_bandwidth:.0f} %); bound by {roof.bound}"
        )


if __name__ == "__main__":
    main()
