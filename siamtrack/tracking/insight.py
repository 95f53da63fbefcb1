"""What lay behind a frame's result: for people who want to see why."""

from __future__ import annotations

from dataclasses import dataclass

from siamtrack.boxes import Box
from siamtrack.tracking.evidence import Evidence


@dataclass(frozen=True)
class Insight:
    """What a tracker looked at in the last frame, and what it saw there beside the target.

    Attributes:
        regions: the search regions; the first where the target was expected, a second one only while it is LOST.
        rivals: look-alikes, as boxes of the target's size: where they were seen, or are expected while they are hidden.
        evidence: what the score was made of; None in the first frame.
    """

    regions: tuple[Box, ...] = ()
    rivals: tuple[Box, ...] = ()
    evidence: Evidence | None = None
