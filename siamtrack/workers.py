"""Processes that work for another one: how many a machine has room for, and when they end."""

from __future__ import annotations

import multiprocessing
import os
import threading


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def leave_with_parent() -> None:
    """End this process when the one that started it has ended: a parent that is killed can end nobody any more.

    Without it the processes of a `ProcessPoolExecutor` work on at what is in their queue, beside the run that was
    started anew, and then wait for ever.
    """
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
