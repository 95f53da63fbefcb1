"""What became of a batch's targets, as `summary.csv` and `summary.json` in the folder of results."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from siamtrack.batch.target_folder import TargetResult
from siamtrack.system import write_whole

COLUMNS = ("video", "target", "outcome", "frames", "lost", "fps", "folder", "error")


def write_summary(out: Path, results: Sequence[TargetResult]) -> None:
    """Write both files, each whole.

    Args:
        out: folder of the results.
        results: one a target, in the order of the jobs.

    Raises:
        OutputError: a file cannot be written.
    """
    rows = [_row(result, out) for result in results]
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_whole(out / "summary.csv", text.getvalue())
    counts = Counter(result.outcome for result in results)
    found = {"targets": len(results), **{key: counts[key] for key in ("done", "failed", "unfinished")}, "results": rows}
    write_whole(out / "summary.json", json.dumps(found, indent=2) + "\n")


def _row(result: TargetResult, out: Path) -> dict[str, Any]:
    """A result as plain data, its folder relative to the summary."""
    found = {key: value for key, value in asdict(result).items() if key in COLUMNS}
    folder = "" if result.folder is None else result.folder.relative_to(out).as_posix()
    return {**found, "folder": folder, "error": result.error or ""}
