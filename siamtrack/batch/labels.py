"""Labels of a batch's videos in other forms, beside their results: OUT/VIDEO/mot.txt, coco.json, boxes.parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from siamtrack.config import nearest
from siamtrack.errors import ConfigError
from siamtrack.labels.export import FORMS
from siamtrack.labels.results_folder import load_tracks
from siamtrack.labels.selection import LabelOptions
from siamtrack.labels.tables import load_pyarrow

KINDS = tuple(name for name, form in FORMS.items() if form.ending and name != "cvat")
"""One file a video, for programs; what people annotate with is `siamtrack export-labels`'s."""


def check_labels(forms: Sequence[str]) -> None:
    """Nothing, if all forms can be written.

    Raises:
        ConfigError: there is no such form.
        SiamtrackError: what it needs is not installed.
    """
    for form in forms:
        if form not in KINDS:
            raise ConfigError(f"no labels {form!r} beside a batch's results; {nearest(form, KINDS)}")
    if "parquet" in forms:
        load_pyarrow()


def write_labels(out: str | Path, forms: Sequence[str]) -> None:
    """Write the labels of every video that has results, in place of those that are there. LOST frames are left out.

    Raises:
        DataError: results cannot be read. OutputError: a file cannot be written.
    """
    options = LabelOptions(force=True)
    for video in load_tracks(out).videos:
        folder = video.tracks[0].folder.parent
        for form in forms:
            kind = FORMS[form]
            kind.write(video, folder / f"{'boxes' if form == 'parquet' else form}{kind.ending}", options)
