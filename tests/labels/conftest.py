"""Folders of results, written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from siamtrack.tracking.result import State
from siamtrack.video.rows import COLUMNS

Row = tuple[int, tuple[float, float, float, float], float, State]
WriteRun = Callable[..., Path]

ROWS: tuple[Row, ...] = (
    (0, (10.0, 20.0, 30.5, 40.25), 1.0, State.TRACKING),
    (1, (11.125, 20.5, 30.5, 40.25), 0.9, State.TRACKING),
    (2, (12.25, 21.0, 31.0, 41.0), 0.5, State.UNCERTAIN),
    (3, (50.0, 60.0, 31.0, 41.0), 0.1, State.LOST),
    (4, (14.333, 22.0, 31.0, 41.0), 0.8, State.TRACKING),
)
"""A target that is unsure in frame 2 and lost in frame 3."""


@pytest.fixture(scope="session")
def write_run() -> WriteRun:
    """A function that writes a finished run of some rows; `about` is more of run.json, None for no run.json."""

    def write(folder: Path, rows: Sequence[Row] = ROWS, about: dict[str, Any] | None = None, **more: Any) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        lines = [",".join(COLUMNS)]
        for frame, box, score, state in rows:
            values = ",".join(f"{value:.3f}" for value in box)
            lines.append(f"{frame},{frame / 25:.6f},{values},{score:.4f},{state}")
        (folder / "boxes.csv").write_text("".join(line + "\n" for line in lines))
        known = {"source": "clips/clip.mp4", "frame_wh": [320, 240], "ended": "done"} if about is None else about
        (folder / "run.json").write_text(json.dumps({**known, **more}))
        return folder

    return write
