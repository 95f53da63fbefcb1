"""Results of a batch: a folder for each target, and the summary of all.

    OUT/VIDEO/TARGET/boxes.csv, boxes.txt, run.json     as `siamtrack track` writes them; run.json names the job
    OUT/VIDEO/TARGET/error.json                         why it failed; beside results if some frames were tracked

    OUT/summary.csv, summary.json                       a line a target

boxes.csv is renamed into place last: a target is done when it is there, and run.json says that the track `ended` well.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from siamtrack.batch.jobs import TargetJob, VideoJob
from siamtrack.errors import DataError, shown
from siamtrack.outside import finite, read_json
from siamtrack.system import make_folder, remove_files, write_whole
from siamtrack.video.names import printable
from siamtrack.video.rows import BOXES_CSV

FAILED = "error.json"
FILES = (BOXES_CSV, FAILED, "run.json", "boxes.txt")
"""In the order in which they are removed: whatever stops that leaves a target that counts as not done."""

COLUMNS = ("video", "target", "outcome", "frames", "lost", "fps", "folder", "error")
"""Of summary.csv."""

Outcome = Literal["done", "failed", "unfinished"]


@dataclass(frozen=True)
class TargetResult:
    """How one target ended.

    Attributes:
        video: the video, as the jobs name it.
        target: its name.
        folder: with its results; None for a line of the jobs that could not be used.
        frames: frames with a box, the first included.
        lost: how many of them were reported LOST.
        outcome: `done`; `failed`; or `unfinished`, if the run was ended before it.
        error: why it failed, one line; None if it did not.
        fps: frames per second of the video, all its targets at once, everything included; 0 if unknown.
        earlier: whether it was found, and not tracked by this run.
    """

    video: str
    target: str
    folder: Path | None
    frames: int
    lost: int
    outcome: Outcome
    error: str | None = None
    fps: float = 0.0
    earlier: bool = False


class TargetFolder:
    """One target's folder.

    Args:
        out: folder of all results.
        video, target: the job.
        identity: of the batch, see `RunSettings.identity`.
    """

    def __init__(self, out: str | Path, video: VideoJob, target: TargetJob, identity: Mapping[str, Any]) -> None:
        self.path = Path(out) / video.name / target.name
        self.target = target
        self.job: dict[str, Any] = {
            "video": video.label,
            "video_bytes": video.size,
            "target": target.name,
            "box": list(target.box_xywh),
            "start": target.start,
            "end": target.end,
            **({} if target.direction == "forward" else {"direction": target.direction}),
        }
        self._identity = dict(identity)

    def outcome(self) -> TargetResult | None:
        """How the target ended in an earlier run or a moment ago; None if it is still to be tracked."""
        error = _read(self.path / FAILED)
        if not (self.path / BOXES_CSV).is_file():
            # A failure of another job says nothing: a box was mended, a video replaced.
            return None if error is None or self._differing(error) else self._result(error, str(error.get("error")))
        run = _read(self.path / "run.json") or {}
        ended = run.get("ended")
        if ended == "done":
            return self._result(run, None)
        return None if self._differing(run) else self._result(run, str(ended))

    def other_job(self) -> str | None:
        """How finished results in the folder differ from those of this job; None if they do not, or there are none."""
        run = _read(self.path / "run.json") or {}
        if not (self.path / BOXES_CSV).is_file() or (run and run.get("ended") != "done"):
            return None
        if "job" not in run:
            return f"{self.path} holds results that do not say which job they are of"
        differing = self._differing(run)
        if not differing:
            return None
        key = differing[0]
        there, now = self._facts(run).get(key), {**self.job, **self._identity}.get(key)
        both = "" if isinstance(there, dict) else f" ({key}: {shown(there)} there, {shown(now)} now)"
        return f"{self.path} holds results of another job: {', '.join(differing)} differ{both}"

    def clear(self) -> None:
        """Remove all results, so that the target is tracked again.

        Raises:
            OutputError: a file cannot be removed.
        """
        # The last ones are of a process that was killed while it wrote.
        remove_files([*(self.path / name for name in FILES), *self.path.glob("*.part")])

    def fail(self, kind: str, reason: str, frames: int = 0) -> TargetResult:
        """Write error.json.

        Args:
            kind: `target` (its box or frames), `video` (cannot be read), `worker` (died), `internal` (an error of ours).
            reason: why, one line.
            frames: how many were tracked before.

        Raises:
            OutputError: it cannot be written.
        """
        line = " ".join(reason.split())
        found = {"kind": kind, "error": line, "frames": frames, "job": self.job, **self._identity}
        make_folder(self.path)
        write_whole(self.path / FAILED, json.dumps(found, indent=2, sort_keys=True) + "\n")
        return TargetResult(self.job["video"], self.target.name, self.path, frames, 0, "failed", line)

    def unfinished(self) -> TargetResult:
        """The result of a target that the run did not reach."""
        return TargetResult(self.job["video"], self.target.name, self.path, 0, 0, "unfinished")

    def _result(self, found: Mapping[str, Any], error: str | None) -> TargetResult:
        try:
            fps = finite(found["fps"]["end_to_end"]["fps"], "fps")
        except (KeyError, TypeError, ValueError):
            fps = 0.0
        frames, lost = (value if isinstance(value := found.get(key), int) else 0 for key in ("frames", "lost_frames"))
        outcome: Outcome = "done" if error is None else "failed"
        return TargetResult(self.job["video"], self.target.name, self.path, frames, lost, outcome, error, fps)

    def _differing(self, found: Mapping[str, Any]) -> list[str]:
        """Keys in which a run.json or error.json differs from this job."""
        # A target that goes forward does not say so.
        there, here = {"direction": "forward", **self._facts(found)}, {"direction": "forward", **self.job, **self._identity}
        differing = [key for key in here if there.get(key) != here[key]]
        if "video_bytes" in differing and None in (there.get("video_bytes"), here["video_bytes"]):
            differing.remove("video_bytes")  # the video may be gone by now, its results are as good as before
        return differing

    def _facts(self, found: Mapping[str, Any]) -> dict[str, Any]:
        job = found.get("job")
        facts = {**(job if isinstance(job, dict) else {}), **{key: found.get(key) for key in self._identity}}
        facts["device"] = str(found.get("device")).split(":")[0]
        return facts


def give_up(out: str | Path, video: VideoJob, identity: Mapping[str, Any], reason: str) -> Iterator[TargetResult]:
    """Results of all targets of a video whose workers keep dying: targets without a result fail."""
    for target in video.targets:
        folder = TargetFolder(out, video, target, identity)
        yield folder.outcome() or folder.fail("worker", f"{video.label}: {reason}")


def write_summary(out: Path, results: Sequence[TargetResult]) -> None:
    """Write summary.csv and summary.json, each whole.

    Args:
        out: folder of the results.
        results: one a target, in the order of the jobs.

    Raises:
        OutputError: a file cannot be written.
    """
    rows = []
    for result in results:
        folder = "" if result.folder is None else result.folder.relative_to(out).as_posix()
        row = {**asdict(result), "folder": folder, "error": result.error or ""}
        texts = {key: printable(value) for key, value in row.items() if isinstance(value, str)}
        rows.append({key: texts.get(key, row[key]) for key in COLUMNS})
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_whole(out / "summary.csv", text.getvalue())
    counts = Counter(result.outcome for result in results)
    found = {"targets": len(results), **{key: counts[key] for key in ("done", "failed", "unfinished")}, "results": rows}
    write_whole(out / "summary.json", json.dumps(found, indent=2) + "\n")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = read_json(path)
    except (FileNotFoundError, DataError):
        return None
    return found if isinstance(found, dict) else None
