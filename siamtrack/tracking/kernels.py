"""How numba kernels are compiled: once a user, not once a process, and never inside the installed package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba import njit

from siamtrack.system import cache_folder


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel on its first call and keep the machine code in the user's cache folder.

    Numba would keep it beside the source: impossible in a read-only install, and in any other it leaves files
    behind that outlive `pip uninstall` and hide the next install of the package. NUMBA_CACHE_DIR still has the
    last word. Where the folder cannot be made, the kernel is compiled anew in every process.
    """
    config: Any = numba.config
    folder = cache_folder("numba")
    before = config.CACHE_DIR
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return njit(nogil=True)(function)
    config.CACHE_DIR = before or str(folder)
    try:
        return njit(cache=True, nogil=True)(function)
    finally:
        config.CACHE_DIR = before
