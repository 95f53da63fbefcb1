"""Data sets of sequences in folders: GOT-10k, LaSOT, TrackingNet, and a folder of anybody's own videos."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from siamtrack.data.label_files import below, folders, read_boxes, read_flags, read_text
from siamtrack.data.pictures import holds_pictures, list_pictures
from siamtrack.data.sequence import Item, Layout, Sequence
from siamtrack.errors import DataError

MIN_COVER = 3
"""Frames in which less than so many eighths of the target show (`cover.label`, 0 to 8) are not trained on: what
covers the target would be learned as the target."""

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm")


# ---- GOT-10k: boxes are taken as 0-based, as the GOT-10k toolkit uses them


def find_got10k(root: Path) -> list[Item]:
    """One item a sequence; without a `list.txt`, every folder with images or `groundtruth.txt`."""
    names = [path.relative_to(root).as_posix() for path in got10k_folders(root)]
    return [Item(name, partial(load_got10k, name, root / name)) for name in names]


def got10k_folders(root: Path) -> list[Path]:
    """The folders of the sequences, in the order of `list.txt`; a DataError if that is empty, or leads out of the root."""
    listing = root / "list.txt"
    if not listing.is_file():
        return [path for path in folders(root) if (path / "groundtruth.txt").is_file() or holds_pictures(path)]
    names = [line.strip() for line in read_text(listing).splitlines() if line.strip()]
    if not names:
        raise DataError(f"{listing} is empty; it must name one sequence folder a line (or delete it: all are read)")
    return [below(root, name, listing) for name in dict.fromkeys(names)]


def load_got10k(name: str, folder: Path) -> list[Sequence]:
    """One sequence folder; frames that are absent (`absence.label`) or mostly covered (`cover.label`) get no box."""
    if not folder.is_dir():
        raise DataError(f"{folder} not found; list.txt names it")
    boxes = read_boxes(folder / "groundtruth.txt")
    absence, cover = folder / "absence.label", folder / "cover.label"
    if absence.is_file():
        boxes[read_flags(absence, len(boxes)) == 1] = 0
    if cover.is_file():
        boxes[read_flags(cover, len(boxes), most=8) < MIN_COVER] = 0
    return [Sequence(name, folder, boxes, list_pictures(folder))]


GOT10K = Layout(
    "got10k",
    "list.txt, or NAME/groundtruth.txt with images beside it",
    False,
    lambda root: (root / "list.txt").is_file() or next(root.glob("*/groundtruth.txt"), None) is not None,
    find_got10k,
)


# ---- LaSOT: `CLASS/CLASS-N/` or `CLASS-N/`; boxes are 1-based on disk and 0-based from here on


def _is_lasot(root: Path) -> bool:
    # The first few folders tell; with thousands of image folders of another layout, listing all would take minutes.
    return any((path / "img").is_dir() for path in _with_children(folders(root)[:5]))


def _find_lasot(root: Path) -> list[Item]:
    paths = _with_children(folders(root))
    found = [path for path in paths if (path / "img").is_dir() or (path / "groundtruth.txt").is_file()]
    return [Item(path.name, partial(load_lasot, path)) for path in found]


def load_lasot(folder: Path) -> list[Sequence]:
    """One sequence; frames under full occlusion or out of view get no box."""
    boxes = read_boxes(folder / "groundtruth.txt", one_based=True)
    for name in ("full_occlusion.txt", "out_of_view.txt"):
        boxes[read_flags(folder / name, len(boxes)) == 1] = 0
    return [Sequence(folder.name, folder / "img", boxes, list_pictures(folder / "img"))]


def _with_children(parents: list[Path]) -> Iterator[Path]:
    return (path for parent in parents for path in (parent, *folders(parent)))


LASOT = Layout(
    "lasot",
    "CLASS/CLASS-N/img/*.jpg with groundtruth.txt, full_occlusion.txt and out_of_view.txt beside img",
    False,
    _is_lasot,
    _find_lasot,
)


# ---- TrackingNet: chunks such as `TRAIN_0/`, or one chunk as the root; boxes are taken as 0-based


def _find_trackingnet(root: Path) -> list[Item]:
    items = []
    for chunk in _chunks(root):
        prefix = "" if chunk == root else f"{chunk.name}/"
        items += [Item(prefix + name, partial(_load_trackingnet, prefix + name, chunk, name)) for name in chunk_names(chunk)]
    return items


def chunk_names(chunk: Path) -> list[str]:
    """Sequences of a chunk, sorted: those with annotations alone, too, so that a chunk that came in part is said to be so."""
    return sorted({path.stem for path in (chunk / "anno").glob("*.txt")} | {path.name for path in folders(chunk / "frames")})


def _load_trackingnet(label: str, chunk: Path, name: str) -> list[Sequence]:
    folder = chunk / "frames" / name
    if not folder.is_dir():
        raise DataError(f"{folder} not found; its boxes are there")
    return [Sequence(label, folder, read_boxes(chunk / "anno" / f"{name}.txt"), list_pictures(folder))]


def _chunks(root: Path) -> list[Path]:
    return [path for path in (root, *folders(root)) if (path / "anno").is_dir() and (path / "frames").is_dir()]


TRACKINGNET = Layout(
    "trackingnet",
    "TRAIN_0/frames/NAME/0.jpg with TRAIN_0/anno/NAME.txt",
    False,
    lambda root: bool(_chunks(root)),
    _find_trackingnet,
)


# ---- Videos or image folders, each with a box file `NAME.txt`; boxes are 0-based


def _is_videos(root: Path) -> bool:
    return bool(_videos(root)) or any(path.with_name(f"{path.name}.txt").is_file() for path in folders(root))


def _find_videos(root: Path) -> list[Item]:
    """One item a video or folder. Text files without a video are not labels, and folders without images no videos."""
    named: dict[str, list[Path]] = {}
    for path in _videos(root):
        named.setdefault(path.stem, []).append(path)
    for path in folders(root):
        if (path / "groundtruth.txt").is_file() or path.with_name(f"{path.name}.txt").is_file() or holds_pictures(path):
            named.setdefault(path.name, []).append(path)
    items = []
    for name, paths in named.items():
        both = f"{' and '.join(path.name for path in paths)} in {root} share the boxes {name}.txt; keep one of them"
        items.append(Item(name, partial(_load_video, name, paths[0])) if len(paths) == 1 else Item.broken(name, both))
    return items


def _load_video(name: str, path: Path) -> list[Sequence]:
    """One sequence; a folder of images may keep its boxes inside instead, as GOT-10k does."""
    labels = path.with_name(f"{name}.txt")
    if path.is_dir() and not labels.is_file():
        return load_got10k(name, path)
    return [Sequence(name, path, read_boxes(labels), list_pictures(path))]


def _videos(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith("."))


VIDEOS = Layout(
    "videos",
    "NAME.mp4 (or .avi .mkv .mov .webm, or a folder NAME of images) with NAME.txt beside it",
    False,
    _is_videos,
    _find_videos,
)
