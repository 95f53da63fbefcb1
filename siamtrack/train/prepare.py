"""Making a crop store: a folder of shards, and `report.json`, which is written last and says that it is complete.

Each shard holds a fixed slice of the sorted items. A killed run therefore goes on at the first missing shard, several
processes may each make some, and the bytes are the same either way.
"""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import shutil
import signal
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from siamtrack.data.layout import Dataset, find_kind, open_dataset
from siamtrack.data.sequence import BAD_INPUT, Bad, Item, Sequence, Still, loaded
from siamtrack.errors import DataError, OutputError, SiamtrackError, reason
from siamtrack.frames import Image, encoded
from siamtrack.models import EXEMPLAR_SIZE
from siamtrack.system import leave_with_parent, replace_file
from siamtrack.tracking.crop import SearchRegion, context_side, mean_color
from siamtrack.train.crops import CROP_SIZE, FORMAT, METADATA_KEY, REPORT, CropStore, Report, Shard, shard_path, store_path

SHARD_VIDEOS = 16
"""Videos a shard: up to 3,200 crops of 17 kB. It is held in memory while it is made."""
SHARD_STILLS = 512

MAX_CROPS = 200
"""Crops of one sequence: more frames of one target teach less than frames of another."""

MIN_STILL_PX = 12
"""Boxes of stills with a shorter side are left out: an exemplar of them is a blur."""

Progress = Callable[[str, int, int], None]
"""Is told an item's name, how many items are done, and of how many."""


def open_store(
    source: str | Path,
    cache: str | Path,
    progress: Callable[[str], None] = lambda _: None,
    kind: str = "auto",
    exclude: tuple[str, ...] = (),
) -> CropStore:
    """Crops of one source, made on first use and kept in `cache`; arguments and errors as for `prepare` and `CropStore`.

    `progress` is told each item's name while a store is being made. What `exclude` leaves out is in the store all the same.
    """
    path = store_path(source, cache, find_kind(source, kind))
    complete = (path / REPORT).is_file() and all(
        shard_path(path, number).is_file() for number in range(Report.read(path).shards)
    )
    if not complete:
        prepare(source, cache, kind, progress=lambda name, *_: progress(name))
    return CropStore(path, exclude)


def prepare(
    source: str | Path, cache: str | Path, kind: str = "auto", workers: int = 1, progress: Progress = lambda *_: None
) -> Report:
    """Make the crop store of a data set, or what is missing of it.

    A bad item is left out whole and named in the report. Once the report is there, another call makes those shards
    anew that named something bad, or whose items have other names: after a repair, run it again; where labels or images were
    changed in place, delete the store.

    Args:
        source, kind: see `data.layout.open_dataset`. cache: folder for the stores.
        workers: processes that cut; the store does not depend on it.
        progress: called as items are done; with several processes, as shards are.

    Raises:
        FileNotFoundError, DataError: there is no such data set, or nothing in it can be used.
        OutputError: the store cannot be written; finished shards are kept.
    """
    dataset = open_dataset(source, kind)
    folder = store_path(source, cache, dataset.kind)
    jobs = _jobs(dataset, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _clear(folder, len(jobs))
        _make(jobs, workers, len(dataset.items), progress)
        return _finish(dataset, folder, jobs)
    except OSError as error:
        raise OutputError(_cannot_write(folder, jobs, error)) from error


@dataclass(frozen=True)
class _Job:
    """One shard to make."""

    path: Path
    items: tuple[Item, ...]
    slice_id: str

    def is_done(self) -> bool:
        try:
            return self.path.is_file() and Shard(self.path).slice_id == self.slice_id
        except DataError:
            return False  # damaged: it is made again


def _jobs(dataset: Dataset, folder: Path) -> list[_Job]:
    size = SHARD_STILLS if dataset.stills else SHARD_VIDEOS
    jobs = []
    for number, first in enumerate(range(0, len(dataset.items), size)):
        items = dataset.items[first : first + size]
        names = "\0".join(item.name for item in items)
        slice_id = hashlib.sha256(f"{dataset.kind}\0{names}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
        jobs.append(_Job(shard_path(folder, number), items, slice_id))
    return jobs


def _clear(folder: Path, shards: int) -> None:
    """Remove what is not to be kept: shards to retry, shards beyond the last, what killed runs left behind."""
    if (folder / REPORT).is_file():
        for path in folder.glob("shard-*.safetensors"):
            try:
                retry = bool(Shard(path).bad)
            except DataError:
                retry = True
            if retry:
                path.unlink()
        (folder / REPORT).unlink()  # behind the shards: a run killed here still knows that it has to retry
    wanted = {shard_path(folder, number) for number in range(shards)}
    for path in set(folder.glob("shard-*.safetensors")) - wanted:
        path.unlink()
    for path in folder.glob("*.part"):
        with suppress(FileNotFoundError):
            # Another run may be at work: no shard takes an hour to write.
            if time.time() - path.stat().st_mtime > 3600:
                path.unlink()


def _make(jobs: list[_Job], workers: int, total: int, progress: Progress) -> None:
    missing = [job for job in jobs if not job.is_done()]
    done = total - sum(len(job.items) for job in missing)
    if workers <= 1 or len(missing) <= 1:
        for job in missing:
            _cut_shard(job, lambda name, n, before=done: progress(name, before + n, total))  # type: ignore[misc]
            done += len(job.items)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads of torch and OpenCV halfway
    with ProcessPoolExecutor(min(workers, len(missing)), context, _start_worker) as pool:
        futures = {pool.submit(_cut_shard, job): job for job in missing}
        try:
            for future in as_completed(futures):
                future.result()
                done += len(futures[future].items)
                progress(futures[future].items[-1].name, done, total)
        except BrokenProcessPool as error:
            raise SiamtrackError(
                "a worker process died, perhaps for want of memory; finished shards are kept: run again with fewer workers"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    cv2.setNumThreads(1)  # the processes share the cores already
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted, and ends the pool
    leave_with_parent()


def _cut_shard(job: _Job, progress: Callable[[str, int], None] = lambda *_: None) -> None:
    """Make one shard; a bad item is named in it, and leaves no crop."""
    if job.is_done():
        return  # by another run, since this one began
    tracks: list[_CutTrack] = []
    bad: list[Bad] = []
    for number, item in enumerate(job.items, 1):
        try:
            tracks += _cut_item(item)
        except BAD_INPUT as error:
            bad.append(Bad(item.name, reason(error)))
        progress(item.name, number)
    _write_shard(job, tracks, bad)


@dataclass(frozen=True)
class _CutTrack:
    """The crops of one target, ready to be stored; see `crops.CropTrack`.

    Attributes:
        name, instance, boxed: as in the store; the instance by its name.
        frames: frame number of each crop. sizes_wh: the target's size in each, pixels of the crop.
        jpegs: the encoded crops.
    """

    name: str
    instance: str
    boxed: bool
    frames: list[int]
    sizes_wh: list[tuple[float, float]]
    jpegs: list[NDArray[np.uint8]]

    def add(self, index: int, frame: Image, box_xywh: NDArray[np.float64]) -> None:
        """Cut the context crop of frame `index` around a box."""
        x, y, w, h = (float(value) for value in box_xywh)
        side = context_side((w, h)) * CROP_SIZE / EXEMPLAR_SIZE
        crop = SearchRegion((x + w / 2, y + h / 2), side, CROP_SIZE).extract(frame, mean_color(frame))
        jpeg = encoded(crop, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 92)
        self.frames.append(index)
        self.sizes_wh.append((w / side * CROP_SIZE, h / side * CROP_SIZE))
        self.jpegs.append(np.frombuffer(jpeg, np.uint8))


def _cut_item(item: Item) -> list[_CutTrack]:
    """All crops of an item, or none: what is bad halfway through leaves nothing behind."""
    tracks = []
    for part in loaded(item):
        tracks += [_cut_sequence(part, item.name)] if isinstance(part, Sequence) else _cut_still(part)
    return [track for track in tracks if track.jpegs]


def _cut_sequence(sequence: Sequence, instance: str) -> _CutTrack:
    visible = np.flatnonzero(sequence.visible)
    keep = set(visible[:: max(1, -(-len(visible) // MAX_CROPS))].tolist())
    track = _CutTrack(sequence.name, instance, True, [], [], [])
    for index, frame in sequence.frames_at(keep):
        track.add(index, frame, sequence.boxes_xywh[index])
    return track


def _cut_still(still: Still) -> list[_CutTrack]:
    image = still.image
    if not len(still.boxes_xywh):
        # An image without a box still shows things: its central half stands for one.
        height, width = image.shape[:2]
        track = _CutTrack(still.name, still.name, False, [], [], [])
        track.add(0, image, np.array([width / 4, height / 4, width / 2, height / 2]))
        return [track]
    folder = still.name.split("/")[0]
    tracks = []
    for i, (box, label) in enumerate(zip(still.boxes_xywh, still.classes, strict=True)):
        if min(box[2:]) >= MIN_STILL_PX:
            # All of one kind within one topic count as one instance: two bishops of a chess set are no fair negatives.
            tracks.append(_CutTrack(f"{still.name}#{i}", f"{folder}/{label}", True, [], [], []))
            tracks[-1].add(0, image, box)
    return tracks


def _write_shard(job: _Job, tracks: list[_CutTrack], bad: list[Bad]) -> None:
    jpegs = [jpeg for track in tracks for jpeg in track.jpegs]
    tensors: dict[str, NDArray[Any]] = {
        "blob": np.concatenate(jpegs) if jpegs else np.empty(0, np.uint8),
        "offsets": np.cumsum([0, *map(len, jpegs)], dtype=np.int64),
        "counts": np.array([len(track.jpegs) for track in tracks], dtype=np.int64),
        "frames": np.array([frame for track in tracks for frame in track.frames], dtype=np.int64),
        "sizes_wh": np.array([size for track in tracks for size in track.sizes_wh], dtype=np.float32).reshape(-1, 2),
        "boxed": np.array([track.boxed for track in tracks], dtype=np.uint8),
    }
    names = [(track.name, track.instance) for track in tracks]
    about = {"format": FORMAT, "slice": job.slice_id, "tracks": names, "bad": bad}
    replace_file(job.path, save(tensors, metadata={METADATA_KEY: json.dumps(about)}))


def _finish(dataset: Dataset, folder: Path, jobs: list[_Job]) -> Report:
    shards = [Shard(job.path) for job in jobs]
    bad = tuple(entry for shard in shards for entry in shard.bad)
    tracks = sum(len(shard.tracks) for shard in shards)
    if not tracks:
        # Nothing is lost with them, and the next run tries again.
        for job in jobs:
            job.path.unlink()
        first = f"; {len(bad)} of {len(dataset.items)} are bad, the first: {bad[0].name}: {bad[0].reason}" if bad else ""
        raise DataError(f"{dataset.root}: no target large enough to train on{first}")
    report = Report(
        source=str(dataset.root.resolve()),
        kind=dataset.kind,
        sequences=len(dataset.items) - len(bad),
        tracks=tracks,
        crops=sum(map(len, shards)),
        shards=len(shards),
        bad=bad,
    )
    values = {"format": FORMAT, **asdict(report), "bad": [entry._asdict() for entry in bad]}
    replace_file(folder / REPORT, (json.dumps(values, indent=2) + "\n").encode())
    return report


def _cannot_write(folder: Path, jobs: list[_Job], error: OSError) -> str:
    """What failed, how much room there is, and how much is needed, as far as finished shards tell."""
    text = f"{folder} cannot be written ({error.strerror or error})"
    try:
        finished = [(job.path.stat().st_size, len(job.items)) for job in jobs if job.path.is_file()]
        free = shutil.disk_usage(folder).free / 1e6
    except OSError:
        return text
    text += f"; {len(finished)} of {len(jobs)} shards are done and kept"
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return f"{text}: give a cache that can be written"
    items = sum(count for _, count in finished)
    if items:
        left = sum(len(job.items) for job in jobs) - items
        text += f", the others need about {sum(size for size, _ in finished) / items * left / 1e6:,.1f} MB"
    return f"{text}, {free:,.1f} MB are free: make room and run the same again"
