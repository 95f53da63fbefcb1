"""How numba kernels are compiled: once a user, not once a process, and never inside the installed package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import njit

CACHE = Path.home() / ".cache" / "siamtrack" / "numba"


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel on its first call and keep the machine code in the user's cache folder.

    Numba would keep it beside the source: impossible in a read-only install, and in any other it leaves files
    behind that outlive `pip uninstall` and hide the next install of the package. NUMBA_CACHE_DIR still has the
    last word. Where no folder can be written, the kernel is compiled anew in every process.
    """
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = before or str(CACHE)
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # "no locator available": neither folder can be written
        return njit(nogil=True)(function)
    finally:
        numba.config.CACHE_DIR = before
