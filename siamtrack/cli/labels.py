"""`siamtrack export-labels`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamtrack.cli.terminal import counted, note


def export_labels(
    results: Annotated[Path, typer.Argument(help="Folder that siamtrack track, live or batch wrote.")],
    to: Annotated[
        str, typer.Option(metavar="FORM", help="mot, coco, yolo, parquet, cvat, labelme, labelme-xml or labelstudio.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the labels.")],
    label: Annotated[
        str, typer.Option(metavar="NAME", help="The category; {target} in it stands for the target's own name.")
    ] = "object",
    keep_lost: Annotated[bool, typer.Option("--keep-lost", help="Keep the boxes of LOST frames; they are guesses.")] = False,
    min_score: Annotated[float, typer.Option(min=0, max=1, help="Leave out boxes that score less.")] = 0.0,
    every: Annotated[int, typer.Option(min=1, metavar="N", help="Keep only each N-th frame.")] = 1,
    frames: Annotated[
        bool, typer.Option("--frames", help="coco, yolo, labelme: also write the frame images, from the tracked video.")
    ] = False,
    suffix: Annotated[str, typer.Option(metavar="jpg|png", help="Ending of a video's frame images.")] = "jpg",
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Frame size, if run.json does not have it.")] = None,
    source: Annotated[str | None, typer.Option(metavar="FILE", help="The tracked video, if it has moved.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over labels that exist.")] = False,
) -> int:
    """Turn tracking results into labels for other programs.

    mot: MOTChallenge text. coco: COCO JSON in TAO's form. yolo: one data set of all videos, with data.yaml. parquet: a
    table (extra `parquet`). cvat: "CVAT for video 1.1". labelme, labelme-xml: one JSON or XML (LabelMe 3.0) per frame.
    labelstudio: a task. LOST frames are left out; in cvat they are marked as outside.

    \b
    Examples:
      siamtrack track clip.mp4 --box 120,80,64,48 --out runs/car
      siamtrack export-labels runs/car --to mot --out labels
      siamtrack export-labels runs/car --to cvat --out labels --label car --every 5
      siamtrack export-labels runs/car --to labelme --out labels --min-score 0.5 --frames
      siamtrack export-labels runs/batch --to yolo --out dataset --label "{target}" --frames
    """
    from siamtrack.labels.footage import override, parse_size
    from siamtrack.labels.label_forms import export
    from siamtrack.labels.label_selection import LabelOptions
    from siamtrack.labels.tracks import load_tracks

    options = LabelOptions(label, keep_lost, min_score, every, suffix, force, frames)
    found = override(load_tracks(results), parse_size(size) if size else None, source)
    written = export(found, to, out, options)
    for item in found.skipped:
        note(f"{item.folder} is left out: {item.reason}")
    for done in written:
        boxes, targets = counted(done.boxes, "box", "boxes"), counted(len(done.labels), "target")
        typer.echo(f"{done.path}: {boxes} of {targets}")
        if not done.boxes:
            note(f"{done.path.name} has no box to export; its target was LOST, or scored under --min-score, throughout")
    if to == "cvat":
        labels = ", ".join(sorted({label for done in written for label in done.labels}))
        typer.echo(f"In CVAT: a task of the video with the label {labels}, then Actions, Upload annotations, CVAT 1.1")
    return 0
