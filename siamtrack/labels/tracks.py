"""What was tracked in videos, one track a target, read from a folder: of one run, a live session's targets, or a batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import DataError
from siamtrack.labels.files import clean_label
from siamtrack.outside import SMALL, parse_json, read_json
from siamtrack.system import MAX_TEXT, natural, natural_path, read_file
from siamtrack.video.names import stem_of
from siamtrack.video.rows import BOXES_CSV, PARTIAL_CSV, read_rows

FAILED = ("error.json", "error.txt")
"""Files that say why a run failed."""

DEPTH = 2
"""Runs lie at most so many folders deep: OUT/VIDEO/TARGET."""


@dataclass(frozen=True, eq=False)
class Track:
    """One target's results, a row a frame; all arrays are equally long and none is empty.

    Attributes:
        target: name of the target.
        folder: the run's folder.
        frames: 0-based numbers in the video, ascending; a live run leaves some out.
        times_s: seconds from the video's first frame.
        boxes_xywh: (n, 4), 0-based, pixels.
        scores: 0..1.
        states: TRACKING, UNCERTAIN or LOST.
    """

    target: str
    folder: Path
    frames: NDArray[np.int64]
    times_s: NDArray[np.float64]
    boxes_xywh: NDArray[np.float64]
    scores: NDArray[np.float64]
    states: NDArray[np.str_]

    def take(self, rows: NDArray[np.bool_]) -> Track:
        """The same track with only some of its rows."""
        return replace(
            self,
            frames=self.frames[rows],
            times_s=self.times_s[rows],
            boxes_xywh=self.boxes_xywh[rows],
            scores=self.scores[rows],
            states=self.states[rows],
        )


@dataclass(frozen=True)
class Footage:
    """What a video says of its frames; of one that is gone, how far it was tracked.

    Attributes:
        sure: how many it has for sure. said: how many it is said to have.
        images: names of its frames' files, if it is a folder of images and no two are named alike.
    """

    sure: int
    said: int
    images: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class VideoTracks:
    """All tracks of one video.

    Attributes:
        name: of the video; not yet fit for a file name.
        tracks: at least one, in natural order of their targets (`target-2` before `target-10`).
        source: the video as the runs name it; None where they do not.
        size_wh: frame size; None where the runs do not say it, then `siamtrack.labels.footage.frame_size` asks the video.
        footage: what the video itself says, once `siamtrack.labels.footage.footage_of` has asked it.
    """

    name: str
    tracks: tuple[Track, ...]
    source: str | None = None
    size_wh: tuple[int, int] | None = None
    footage: Footage | None = None

    @property
    def first_frame(self) -> int:
        """The first frame in which anything was tracked."""
        return min(int(track.frames[0]) for track in self.tracks)

    @property
    def end_frame(self) -> int:
        """The frame after the last one in which anything was tracked."""
        return max(int(track.frames[-1]) for track in self.tracks) + 1


@dataclass(frozen=True)
class Skipped:
    """A folder that gave no track.

    Attributes:
        folder: which one. reason: why, for a person.
    """

    folder: Path
    reason: str


@dataclass(frozen=True, eq=False)
class Results:
    """What a folder of results holds.

    Attributes:
        folder: the folder. videos: what can be exported. skipped: runs that failed or never finished.
    """

    folder: Path
    videos: tuple[VideoTracks, ...]
    skipped: tuple[Skipped, ...] = ()


def load_tracks(folder: str | Path) -> Results:
    """Read all runs of a folder.

    Three layouts are known: one run (`boxes.csv` in the folder itself), the targets of one or more videos
    (`TARGET/boxes.csv`, as `siamtrack live` writes them; targets with the same source are of one video), and a batch
    (`VIDEO/TARGET/boxes.csv`). No video is opened.

    Raises:
        FileNotFoundError: the folder is not there.
        DataError: it holds no finished run, or a file of a run is broken.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is no folder; give one that siamtrack track, live or batch wrote")
    groups: dict[tuple[str, str], list[tuple[Track, dict[str, Any]]]] = {}
    skipped = []
    for run in _run_folders(root, DEPTH):
        reason = _unusable(run)
        if reason is not None:
            skipped.append(Skipped(run, reason))
            continue
        about = _read_about(run)
        source = about.get("source")
        # A batch names its videos itself, and may hold two files of one name: its folders are what tells them apart.
        batch = len(run.relative_to(root).parts) == DEPTH
        key = ("folder", run.parent.name) if batch else ("source", str(source))
        target = run.name or run.resolve().name
        groups.setdefault(key, []).append((read_track(run, target), about))
    if not groups:
        why = "; ".join(f"{item.folder.name}: {item.reason}" for item in skipped[:3]) or "no boxes.csv in it"
        raise DataError(f"{root} holds no finished run ({why}); give a folder that siamtrack track, live or batch wrote")
    videos = [_video(root, *key, members) for key, members in groups.items()]
    return Results(root, tuple(sorted(videos, key=lambda video: natural(video.name))), tuple(skipped))


def _run_folders(folder: Path, depth: int) -> Iterator[Path]:
    """Folders of runs, finished or not, in natural order."""
    if (folder / BOXES_CSV).is_file() or (folder / PARTIAL_CSV).is_file():
        yield folder
        return
    if any((folder / name).is_file() for name in FAILED):
        yield folder
    if depth > 0:
        children = (child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
        for child in sorted(children, key=natural_path):
            yield from _run_folders(child, depth - 1)


def _unusable(run: Path) -> str | None:
    """Why a run gives no track; None if it does."""
    for name in FAILED:
        if (run / name).is_file():
            return f"it failed: {_message(run / name)}"
    # Rows beside a finished boxes.csv are of a second run that may have replaced run.json already.
    if (run / PARTIAL_CSV).is_file():
        return f"it never finished ({PARTIAL_CSV}); run it again"
    return None


def _message(path: Path) -> str:
    """The first line of what an error file says."""
    try:
        text = read_file(path, SMALL).decode(errors="replace")
        said = parse_json(text, path) if path.suffix == ".json" else text
    except (FileNotFoundError, DataError) as error:
        said = str(error)
    if isinstance(said, dict):
        said = said.get("error") or said.get("message") or "no reason given"
    lines = str(said).strip().splitlines()
    return clean_label(lines[0]) if lines else "no reason given"


def _read_about(run: Path) -> dict[str, Any]:
    """What run.json says; nothing where there is none."""
    path = run / "run.json"
    try:
        about = read_json(path)
    except FileNotFoundError:
        return {}
    except DataError as error:
        raise DataError(f"{error}; remove it, and name the video with --source") from error
    return about if isinstance(about, dict) else {}


def _video(root: Path, kind: str, name: str, members: list[tuple[Track, dict[str, Any]]]) -> VideoTracks:
    sizes = {}
    for track, about in members:
        size = about.get("frame_wh")
        if isinstance(size, list) and len(size) == 2 and all(isinstance(side, int) and side > 0 for side in size):
            sizes[(size[0], size[1])] = track.folder
    if len(sizes) > 1:
        (a, in_a), (b, in_b) = list(sizes.items())[:2]
        raise DataError(
            f"{in_a} is of {a[0]}x{a[1]} frames and {in_b} of {b[0]}x{b[1]}: not of one video; export them one at a time"
        )
    source = next((str(about["source"]) for _, about in members if about.get("source") is not None), None)
    title = name if kind == "folder" else stem_of((source or "").replace("\\", "/")) or root.resolve().name or "video"
    tracks = sorted((track for track, _ in members), key=lambda track: natural(track.target))
    return VideoTracks(title, tuple(tracks), source, next(iter(sizes), None))


def read_track(folder: Path, target: str) -> Track:
    """The track in a run's folder; errors as of `rows.read_rows`."""
    rows = list(read_rows(folder / BOXES_CSV, MAX_TEXT))
    boxes, scores = (np.array([getattr(row.result, key) for row in rows], np.float64) for key in ("box", "score"))
    frames, times_s = np.array([row.index for row in rows], np.int64), np.array([row.time_s for row in rows])
    return Track(target, folder, frames, times_s, boxes, scores, np.array([row.result.state.value for row in rows]))
