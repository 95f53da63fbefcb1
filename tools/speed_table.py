#!/usr/bin/env python3
"""The table of docs/speed.md, in Markdown, from what `siamtrack bench --json FILE` wrote.

siamtrack bench --model siamfc-lite --model siamfc --peers --json bench.json
tools/speed_table.py bench.json
tools/speed_table.py bench.json --against cv2:nano --digits 0
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

NAMES = {
    "plain": "plain recipe: three contiguous float32 255 px crops, nothing folded",
    "cv2:csrt": "OpenCV CSRT",
    "cv2:kcf": "OpenCV KCF",
    "cv2:mil": "OpenCV MIL",
    "cv2:nano": "OpenCV TrackerNano (NanoTrackV2)",
    "cv2:vit": "OpenCV TrackerVit",
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="by siamtrack bench --json")
    parser.add_argument("--against", help="whose speed is 1; default: as in the file")
    parser.add_argument("--digits", type=int, default=1, help="after the point of frames per second")
    args = parser.parse_args()
    try:
        print(table(json.loads(args.file.read_text(encoding="utf-8")), args.against, args.digits))
    except (OSError, ValueError) as error:
        print(f"speed_table: error: {error}", file=sys.stderr)
        sys.exit(2)


def table(report: dict[str, Any], against: str | None = None, digits: int = 1) -> str:
    """A line that says how it was measured, and a Markdown table with a row a tracker.

    Args:
        report: what `siamtrack bench` wrote. against: whose speed is 1. digits: of frames per second.

    Raises:
        ValueError: not such a report, or nobody of the name `against`.
    """
    if not isinstance(report, dict) or "contenders" not in report:
        raise ValueError("this is no report of siamtrack bench: it has no contenders")
    contenders = report["contenders"]
    base = against or report["against"]
    rounds = {one["name"]: [each["tracker"]["fps"] for each in one["rounds"]] for one in contenders}
    if base not in rounds:
        raise ValueError(f"no tracker {base!r} in the report; it has {', '.join(rounds)}")
    machine, clip = report["machine"], report["clip"]
    read = "decoded" if clip["decoded"] else "frames in memory"
    lines = [
        f"{machine['processor']}, {machine['threads']} threads; {clip['name']}, {clip['frames']} frames, {read}; medians of "
        f"{report['rounds']} rounds in turns (`siamtrack bench`):",
        "",
        f"| frames per second | backend | network | tracker | end to end | p50 / p95 ms | memory MB | times {_name(base)} |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in contenders:
        speeds = [f"{one[kind]['fps']:.{digits}f}" if one[kind] else "" for kind in ("network", "tracker", "end_to_end")]
        times = " / ".join(f"{one['tracker'][key]:.1f}" for key in ("p50_ms", "p95_ms"))
        ratio = median(mine / theirs for mine, theirs in zip(rounds[one["name"]], rounds[base], strict=True))
        how = " ".join(filter(None, (one["backend"], one["precision"])))
        name = NAMES.get(one["name"], f"`{one['name']}`")
        cells = [name, how, *speeds, times, f"{one['memory_mb']:.0f}", "1" if one["name"] == base else f"{ratio:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _name(name: str) -> str:
    return NAMES.get(name, f"`{name}`").partition(":")[0]


if __name__ == "__main__":
    main()
