"""What is exported, and under which name."""

from __future__ import annotations

from dataclasses import dataclass

from siamtrack.labels.names import clean_label

TARGET = "{target}"
"""Stands for the target's own name in a label."""

SUFFIXES = ("jpg", "png")


@dataclass(frozen=True)
class LabelOptions:
    """Options of every form; a form without names, or without frame images, has no use for some.

    Attributes:
        label: the category. `{target}` in it stands for the target's name, so that "{target}" alone gives every target
            a category of its own.
        keep_lost: export the boxes of LOST frames too. They are guesses.
        min_score: boxes that score less are left out.
        every: keep only each N-th frame, counted from the first tracked frame of the video.
        suffix: jpg or png: ending of the frame images that COCO and LabelMe files name.
        force: write over files that exist.

    Raises:
        ValueError: a value that cannot be used.
    """

    label: str = "object"
    keep_lost: bool = False
    min_score: float = 0.0
    every: int = 1
    suffix: str = "jpg"
    force: bool = False

    def __post_init__(self) -> None:
        if not clean_label(self.label):
            raise ValueError(f"label {self.label!r} has no character that can be shown; give a name such as car")
        if not 0 <= self.min_score <= 1:
            raise ValueError(f"min_score {self.min_score} is not a score; give a number from 0 to 1")
        if self.every < 1:
            raise ValueError(f"every {self.every} keeps no frame; give 1 for all frames, 10 for each tenth")
        if self.suffix not in SUFFIXES:
            raise ValueError(f"no frame images end in {self.suffix!r}; known: {', '.join(SUFFIXES)}")

    def label_of(self, target: str) -> str:
        """The category of a target."""
        return clean_label(self.label.replace(TARGET, target)) or "object"


DEFAULTS = LabelOptions()
