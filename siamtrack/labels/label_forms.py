"""A whole folder of results in one form: a file a video, for LabelMe a folder, for YOLO one data set of all videos."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from siamtrack.config import nearest
from siamtrack.errors import ConfigError, OutputError
from siamtrack.labels.coco import write_coco
from siamtrack.labels.cvat import write_cvat
from siamtrack.labels.files import check_free, safe_names
from siamtrack.labels.footage import FrameNames, footage_of, frame_size, write_frames
from siamtrack.labels.label_selection import DEFAULTS, LabelOptions, by_frame, choose
from siamtrack.labels.label_studio import write_label_studio
from siamtrack.labels.labelme import write_labelme, write_labelme_xml
from siamtrack.labels.tables import load_pyarrow, write_mot, write_parquet
from siamtrack.labels.tracks import Results, VideoTracks, load_tracks
from siamtrack.labels.yolo import write_yolo

Writer = Callable[[VideoTracks, Path, LabelOptions], int]


@dataclass(frozen=True)
class Form:
    """One form of labels; places lie in the folder of an export, and `{}` in them stands for the name of the video.

    Attributes:
        write: its function. path: what it is given. sized: whether it needs the frame size.
        beside: another file that it writes.
        per_frame: folder and ending of label files that it writes for each frame.
        images: folder of the frame images that the labels name.
    """

    write: Writer
    path: str
    sized: bool = True
    beside: str | None = None
    per_frame: tuple[str, str] | None = None
    images: str | None = None


FORMS = {
    "mot": Form(write_mot, "{}.txt", sized=False, beside="{}.labels"),
    "coco": Form(write_coco, "{}.json", images="{}"),
    "yolo": Form(write_yolo, "", per_frame=("labels/{}", "txt"), images="images/{}"),
    "parquet": Form(write_parquet, "{}.parquet", sized=False),
    "cvat": Form(write_cvat, "{}.xml"),
    "labelme": Form(write_labelme, "{}", per_frame=("{}", "json"), images="{}"),
    "labelme-xml": Form(write_labelme_xml, "{}", per_frame=("{}", "xml"), images="{}"),
    "labelstudio": Form(write_label_studio, "{}.labelstudio.json"),
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


def export(results: Results, form: str, out: str | Path, options: LabelOptions = DEFAULTS) -> list[Exported]:
    """Write all videos of some results in one form. Everything that can be checked is checked before the first file.

    Args:
        results: what `load_tracks` read. form: a key of `FORMS`.
        out: the folder; made if missing. Files are named by their videos.
        options: what is exported; `frames` goes with forms that name images.

    Returns:
        What was written, in the order of the videos.

    Raises:
        ValueError: no such form, or a form without images. DataError: a video is needed and gone.
        OutputError: something exists already, or cannot be written.
    """
    if form not in FORMS:
        raise ValueError(f"no form of labels {form!r}; {nearest(form, FORMS)}")
    kind, out = FORMS[form], Path(out)
    if options.frames and kind.images is None:
        fitting = ", ".join(name for name, one in FORMS.items() if one.images is not None)
        raise ValueError(f"{form} names no frame images; --frames goes with {fitting}")
    if (out / "boxes.csv").exists():
        raise OutputError(f"{out} is the folder of a run; give --out another one, so that its own files stay as they are")
    if form == "parquet":
        load_pyarrow()
    names = safe_names(video.name for video in results.videos)
    videos = []
    for video, name in zip(results.videos, names, strict=True):
        if kind.sized:
            video = replace(video, size_wh=frame_size(video), footage=footage_of(video))
        check_free(_files_there(kind, video, name, out, options), options.force)
        videos.append(video)
    allowed = replace(options, force=True)
    written = []
    for video, name in zip(videos, names, strict=True):
        if kind.images is not None and options.frames:
            # COCO lists every frame; the others have no file for one without boxes.
            labelled = [frame for frame, boxes in by_frame(choose(video, options)).items() if boxes or kind.per_frame is None]
            write_frames(video, labelled, out / kind.images.format(name), allowed)
        # A form of one folder for all videos names what it writes there by the video.
        boxes = kind.write(video if kind.path else replace(video, name=name), out / kind.path.format(name), allowed)
        labels = tuple(options.label_of(track.target) for track in video.tracks)
        path = out / (kind.per_frame[0] if kind.per_frame else kind.path).format(name)
        written.append(Exported(path, video.name, labels, boxes))
    return written


def _files_there(kind: Form, video: VideoTracks, name: str, out: Path, options: LabelOptions) -> Iterator[Path]:
    """Files that an export of a video would write, and that are there."""
    if kind.per_frame is None:
        yield from (out / place.format(name) for place in (kind.path, kind.beside) if place)
    else:
        folder, ending = kind.per_frame
        yield from FrameNames(video, options.suffix).there(out / folder.format(name), ending)
    if options.frames and kind.images is not None:
        yield from FrameNames(video, options.suffix).there(out / kind.images.format(name))


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

    LOST frames are left out. Beside mot.txt lies mot.labels.

    Raises:
        DataError: results cannot be read. OutputError: a file cannot be written.
    """
    for video in load_tracks(out).videos:
        folder = video.tracks[0].folder.parent
        for form in forms:
            name = "boxes" if form == "parquet" else form
            FORMS[form].write(video, folder / FORMS[form].path.format(name), LabelOptions(force=True))
