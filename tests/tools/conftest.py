from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def import_tool() -> Callable[[str], ModuleType]:
    """Imports a tool that imports its neighbours, as it does when it is run."""

    def imported(name: str) -> ModuleType:
        folder = str(Path(__file__).parents[2] / "tools")
        sys.path.insert(0, folder)
        try:
            return importlib.import_module(name)
        finally:
            sys.path.remove(folder)

    return imported
