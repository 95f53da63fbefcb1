"""A long video in parts that can be tracked side by side: cut where no target is under way."""

from __future__ import annotations

from dataclasses import replace

from siamtrack.batch.jobs import TargetJob, VideoJob


def parts_of(video: VideoJob) -> list[VideoJob]:
    """The same video with some of its targets in each part, in the order of their first frames.

    Targets whose frames overlap stay together, for they share a batch of the network; a part begins where all targets
    before it have ended. Each part decodes the frames before it without tracking in them.
    """
    groups: list[list[TargetJob]] = []
    reached: float = -1
    for target in sorted(video.targets, key=lambda one: one.start):
        if not groups or target.start > reached:
            groups.append([])
        groups[-1].append(target)
        reached = max(reached, float("inf") if target.end is None else target.end)
    return [replace(video, targets=tuple(group)) for group in groups]
