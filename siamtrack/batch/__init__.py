"""Many targets in many videos: jobs, engines, resuming. `siamtrack.batch(...)` runs one.

A folder of modules and a function share this name, so the package itself can be called: Python puts a package in place
of a function of its name as soon as it is imported.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """As `siamtrack.batch.driver.batch`, which has the documentation."""
        from siamtrack.batch.driver import batch

        return batch(*arguments, **keywords)


sys.modules[__name__].__class__ = _CallablePackage
