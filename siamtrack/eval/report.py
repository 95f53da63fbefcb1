"""The report of an evaluation: a page for people, figures for programs, and a picture."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from siamtrack.data.sequence import Sequence
from siamtrack.eval.evaluation import (
    PRECISION_PX,
    PRECISION_THRESHOLDS_PX,
    SUCCESS_THRESHOLDS,
    Evaluation,
    TrackerRuns,
)
from siamtrack.eval.report_charts import COLOURS
from siamtrack.eval.report_page import page
from siamtrack.system import write_folder

CSV_COLUMNS = ("tracker", "sequence", "frames", "ao", "sequence_ao", "sr50", "sr75", "success_auc", "precision20", "fps")
_STYLES: tuple[str | tuple[int, tuple[float, ...]], ...] = ("-", "--", ":", "-.", (0, (8, 2, 2, 2, 2, 2)))


def write_report(
    evaluation: Evaluation, out: Path, sequences: Mapping[str, Sequence] = {}, other: Evaluation | None = None
) -> Path:
    """Write report.html, scores.json, scores.csv and curves.png into a folder, each whole or not at all.

    Args:
        evaluation: what to report; the first tracker is the one that the bars and the contact sheets are of.
        out: the folder; it is made if missing.
        sequences: the labelled sequences by name, for contact sheets of the worst; those not given have none.
        other: an earlier evaluation on the same data, to compare with.

    Returns:
        The path of report.html.

    Raises:
        ValueError: no trackers, or no sequences.
        OutputError: the folder cannot be made or written. What an earlier report left there is still whole.
    """
    if not evaluation.trackers or not all(item.runs for item in evaluation.trackers):
        raise ValueError(
            f"{len(evaluation.trackers)} trackers, of which "
            f"{sum(not item.runs for item in evaluation.trackers)} on no sequence; evaluate at least one on one sequence"
        )
    files: dict[str, str | bytes] = {  # all of them are made before the first is written
        "scores.json": json.dumps(plain_scores(evaluation), indent=1, allow_nan=False, ensure_ascii=False) + "\n",
        "scores.csv": _table(evaluation),
        "curves.png": draw(evaluation),
        "report.html": page(evaluation, sequences, other),
    }
    write_folder(out, files)
    return out / "report.html"


def plain_scores(evaluation: Evaluation) -> dict[str, Any]:
    """All figures as plain data, for scores.json; None where there is no figure (NaN), such as a speed not measured."""
    return {
        "dataset": evaluation.dataset,
        "subset": evaluation.subset,
        "about": dict(evaluation.about),
        "success_thresholds": SUCCESS_THRESHOLDS.round(2).tolist(),
        "precision_thresholds_px": PRECISION_THRESHOLDS_PX.tolist(),
        "trackers": {
            item.tracker: {
                **_figures(item),
                "success_curve": [_plain(value) for value in item.success.tolist()],
                "precision_curve": [_plain(value) for value in item.precision.tolist()],
                "sequences": {
                    one.name: {
                        key: value
                        for key, value in _figures(TrackerRuns(item.tracker, (one,))).items()
                        if key in ("ao", "sr50", "sr75", "frames", "fps")
                    }
                    for one in item.runs
                },
            }
            for item in evaluation.trackers
        },
    }


def draw(evaluation: Evaluation) -> bytes:
    """A PNG with the success and the precision curves."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.4 + 0.2 * len(evaluation.trackers)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(_no_formula(f"{evaluation.dataset} {evaluation.subset}"), fontsize=12)
    for panel, precision in zip(figure.subplots(1, 2), (False, True), strict=True):
        lines = []
        for place, item in enumerate(evaluation.trackers):
            value = float(item.precision[PRECISION_PX]) if precision else item.scores.ao
            (line,) = panel.plot(
                PRECISION_THRESHOLDS_PX if precision else SUCCESS_THRESHOLDS,
                item.precision if precision else item.success,
                color=COLOURS[place % len(COLOURS)],
                linestyle=_STYLES[place % len(_STYLES)],
                linewidth=1.8,
                # The figure stands first: a name that begins with an underscore is no hidden entry.
                label=f"{value:.3f}  {_no_formula(item.tracker)}",
            )
            lines.append((value, line))
        lines.sort(key=lambda pair: -pair[0] if math.isfinite(pair[0]) else 1)
        if precision:
            panel.axvline(PRECISION_PX, color="0.5", linewidth=1, linestyle=(0, (4, 4)))
        panel.set_xlim(0, PRECISION_THRESHOLDS_PX[-1] if precision else 1)
        panel.set_ylim(0, 1.02)
        panel.set_xlabel("error threshold (px)" if precision else "overlap threshold")
        panel.set_ylabel("share of frames within it" if precision else "share of frames above it")
        panel.set_title(
            f"Precision, at {PRECISION_PX} px in the legend" if precision else "Success, AO in the legend", fontsize=10
        )
        panel.grid(color="0.9", linewidth=0.8)
        panel.legend(
            handles=[line for _, line in lines], loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False, fontsize=9
        )
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    return image.getvalue()


def _figures(item: TrackerRuns) -> dict[str, float | None]:
    figures = {key: _plain(value) for key, value in item.figures.items()}
    return {**figures, "frames": item.scores.frames, "fps": _plain(item.fps)}


def _table(evaluation: Evaluation) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for item in evaluation.trackers:
        for name, part in (("all", item), *((one.name, TrackerRuns(item.tracker, (one,))) for one in item.runs)):
            writer.writerow({"tracker": item.tracker, "sequence": name, **_figures(part)})
    return text.getvalue()


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _no_formula(text: str) -> str:
    return text.replace("$", r"\$")
