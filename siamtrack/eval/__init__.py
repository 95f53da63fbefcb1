"""Trackers on labelled sequences: runs, scores by the definitions of the benchmarks, reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from siamtrack.eval.toolkit import GOT10kTracker

__all__ = ["GOT10kTracker"]


def __getattr__(name: str) -> Any:
    if name == "GOT10kTracker":  # the toolkit is imported by who asks for it
        from siamtrack.eval.toolkit import GOT10kTracker

        return GOT10kTracker
    raise AttributeError(f"module 'siamtrack.eval' has no attribute {name!r}")
