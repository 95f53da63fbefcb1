"""A whole folder of results in one form, a file (or, for LabelMe, a folder) for each video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from siamtrack.config import nearest
from siamtrack.errors import ConfigError, OutputError
from siamtrack.labels.cvat import write_cvat
from siamtrack.labels.files import check_free, check_no_frames, safe_names
from siamtrack.labels.footage import frame_size, write_frames
from siamtrack.labels.json_labels import write_coco, write_labelme
from siamtrack.labels.label_selection import DEFAULTS, LabelOptions, by_frame, choose
from siamtrack.labels.results_folder import load_tracks
from siamtrack.labels.tables import load_pyarrow, write_mot, write_parquet
from siamtrack.labels.tracks import Results, VideoTracks

Writer = Callable[[VideoTracks, Path, LabelOptions], int]


@dataclass(frozen=True)
class Form:
    """One form of labels.

    Attributes:
        write: its function. ending: of its files; empty for a folder. sized: whether it needs the frame size.
        images: whether it names frame images.
    """

    write: Writer
    ending: str
    sized: bool = True
    images: bool = False


FORMS = {
    "mot": Form(write_mot, ".txt", sized=False),
    "coco": Form(write_coco, ".json", images=True),
    "parquet": Form(write_parquet, ".parquet", sized=False),
    "cvat": Form(write_cvat, ".xml"),
    "labelme": Form(write_labelme, "", images=True),
}

BESIDE_RESULTS = ("mot", "coco", "parquet")
"""Forms for programs, a file a video, which `siamtrack batch --labels` writes beside the results."""


@dataclass(frozen=True)
class Exported:
    """What was written for a video.

    Attributes:
        path: the file or folder. video: its name. labels: the categories, one for each target.
        boxes: how many boxes were written.
    """

    path: Path
    video: str
    labels: tuple[str, ...]
    boxes: int


def export(
    results: Results, form: str, out: str | Path, options: LabelOptions = DEFAULTS, frames: bool = False
) -> list[Exported]:
    """Write all videos of some results in one form. Everything that can be checked is checked before the first file.

    Args:
        results: what `load_tracks` read. form: a key of `FORMS`.
        out: the folder; made if missing. Files are named by their videos.
        options: what is exported.
        frames: also write the frame images that the labels name: `coco` and `labelme` only.

    Returns:
        What was written, in the order of the videos.

    Raises:
        ValueError: no such form, or a form without images. DataError: a video is needed and gone.
        OutputError: something exists already, or cannot be written.
    """
    if form not in FORMS:
        raise ValueError(f"no form of labels {form!r}; {nearest(form, FORMS)}")
    kind, out = FORMS[form], Path(out)
    if frames and not kind.images:
        raise ValueError(f"{form} names no frame images; --frames goes with {_with_images()}")
    if (out / "boxes.csv").exists():
        raise OutputError(f"{out} is the folder of a run; give --out another one, so that its own files stay as they are")
    if form == "parquet":
        load_pyarrow()
    names = safe_names(video.name for video in results.videos)
    videos = []
    for video, name in zip(results.videos, names, strict=True):
        if kind.ending:
            check_free(out / f"{name}{kind.ending}", options.force)
        else:
            check_no_frames(out / name, "json", options.force)
        if frames:
            check_no_frames(out / name, options.suffix, options.force)
        videos.append(replace(video, size_wh=frame_size(video)) if kind.sized else video)
    allowed = replace(options, force=True)
    written = []
    for video, name in zip(videos, names, strict=True):
        path = out / f"{name}{kind.ending}"
        if frames:
            wanted = by_frame(choose(video, options))
            # COCO lists every frame, LabelMe has no file for one without boxes.
            labelled = [frame for frame, boxes in wanted.items() if boxes or kind.ending]
            write_frames(video, labelled, out / name, allowed)
        boxes = kind.write(video, path, allowed)
        labels = tuple(options.label_of(track.target) for track in video.tracks)
        written.append(Exported(path, video.name, labels, boxes))
    return written


def check_beside(forms: Sequence[str]) -> None:
    """Check that all forms can be written beside a batch's results.

    Raises:
        ConfigError: there is no such form.
        SiamtrackError: what it needs is not installed.
    """
    for form in forms:
        if form not in BESIDE_RESULTS:
            raise ConfigError(f"no labels {form!r} beside a batch's results; {nearest(form, BESIDE_RESULTS)}")
    if "parquet" in forms:
        load_pyarrow()


def write_beside(out: str | Path, forms: Sequence[str]) -> None:
    """Write OUT/VIDEO/mot.txt, coco.json or boxes.parquet of every video of a batch, in place of those that are there.

    LOST frames are left out.

    Raises:
        DataError: results cannot be read. OutputError: a file cannot be written.
    """
    for video in load_tracks(out).videos:
        folder = video.tracks[0].folder.parent
        for form in forms:
            name = "boxes" if form == "parquet" else form
            FORMS[form].write(video, folder / f"{name}{FORMS[form].ending}", LabelOptions(force=True))


def _with_images() -> str:
    return " and ".join(name for name, kind in FORMS.items() if kind.images)
