"""Sequences shared among processes of one thread each, with a progress bar: what the measuring tools have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

import cv2
import torch
from rich.progress import Progress

from siamtrack.system import leave_with_parent

Result = TypeVar("Result")


def shared(work: Callable[..., Result], calls: Sequence[tuple[Any, ...]], jobs: int) -> Iterator[Result]:
    """Results of the work, one a call, in the order of the calls and as soon as they are there.

    One thread a process: sums in another order round differently, and a track can turn on that.

    Args:
        work: a function of a module. calls: its arguments, one tuple a sequence. jobs: processes.
    """
    with Progress() as progress, ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_start) as pool:
        bar = progress.add_task("sequences", total=len(calls))
        for one in [pool.submit(work, *call) for call in calls]:
            yield one.result()
            progress.advance(bar)


def _start() -> None:
    leave_with_parent()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
