"""Making a crop store: a folder of shards, and `report.json`, which is written last and says that it is complete.

Each shard holds a fixed slice of the sorted items, so that a killed run goes on at the first missing shard, several
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

import cv2

from siamtrack.data.dataset import BAD_INPUT, Bad, Dataset, Item, reason
from siamtrack.data.layout import open_dataset
from siamtrack.errors import DataError, OutputError, SiamtrackError
from siamtrack.system import leave_with_parent, replace_file
from siamtrack.train.cutting import cut_item
from siamtrack.train.shards import FORMAT, CutTrack, Shard, write_shard

REPORT = "report.json"
SHARD_VIDEOS = 16
"""Videos a shard: up to 3,200 crops of 17 kB. It is held in memory while it is made."""
SHARD_STILLS = 512

Progress = Callable[[str, int, int], None]
"""Is told an item's name, how many items are done, and of how many."""


@dataclass(frozen=True)
class Report:
    """What a complete store holds.

    Attributes:
        source: the data set, absolute. kind: its layout.
        sequences: items that are in the store: videos, or images of stills.
        tracks, crops, shards: how many there are.
        bad: items that were left out, each with its reason.
    """

    source: str
    kind: str
    sequences: int
    tracks: int
    crops: int
    shards: int
    bad: tuple[Bad, ...]

    @classmethod
    def read(cls, folder: Path) -> Report:
        """The report of a store.

        Raises:
            DataError: the store is not complete, or of another format.
        """
        try:
            values = json.loads((folder / REPORT).read_text(encoding="utf-8"))
            if values.pop("format") != FORMAT:
                raise DataError(f"{folder} has another format than {FORMAT}; delete it and it is made again")
            values["bad"] = tuple(Bad(entry["name"], entry["reason"]) for entry in values["bad"])
            return cls(**values)
        except DataError:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{folder} is no complete crop store ({error}); run `siamtrack data prepare`") from error


def prepare(
    source: str | Path, cache: str | Path, kind: str = "auto", workers: int = 1, progress: Progress = lambda *_: None
) -> Report:
    """Make the crop store of a data set, or what is missing of it.

    A bad item is left out whole and named in the report. Once the report is there, another call makes those shards
    anew that named something bad, or whose items are no longer the same: after a repair, run it again.

    Args:
        source: see `datasets.layout.open_dataset`. It is the items' names that are compared, not their contents:
            where labels or images were changed in place, delete the store.
        cache: folder for the stores; made if missing.
        kind: the layout.
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


def store_path(source: str | Path, cache: str | Path, kind: str) -> Path:
    """The folder of a store. Sources of one name at two places have two."""
    path = Path(source).resolve()
    key = hashlib.sha256(f"{path}\0{FORMAT}\0{kind}".encode()).hexdigest()[:12]
    return Path(cache) / f"{path.stem}-{key}"


def shard_path(folder: Path, number: int) -> Path:
    """The file of shard `number`, from 0."""
    return folder / f"shard-{number:05d}.safetensors"


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
    for path in folder.glob("shard-*.safetensors"):
        if path not in wanted:
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
            _cut(job, lambda name, n, before=done: progress(name, before + n, total))  # type: ignore[misc]
            done += len(job.items)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads of torch and OpenCV halfway
    with ProcessPoolExecutor(min(workers, len(missing)), context, _start_worker) as pool:
        futures = {pool.submit(_cut, job): job for job in missing}
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


def _cut(job: _Job, progress: Callable[[str, int], None] = lambda *_: None) -> None:
    """Make one shard; a bad item is named in it, and leaves no crop."""
    if job.is_done():
        return  # by another run, since this one began
    tracks: list[CutTrack] = []
    bad: list[Bad] = []
    for number, item in enumerate(job.items, 1):
        try:
            tracks += cut_item(item)
        except BAD_INPUT as error:
            bad.append(Bad(item.name, reason(error)))
        progress(item.name, number)
    write_shard(job.path, tracks, bad, job.slice_id)


def _start_worker() -> None:
    cv2.setNumThreads(1)  # the processes share the cores already
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted, and ends the pool
    leave_with_parent()


def _finish(dataset: Dataset, folder: Path, jobs: list[_Job]) -> Report:
    shards = [Shard(job.path) for job in jobs]
    bad = tuple(entry for shard in shards for entry in shard.bad)
    tracks = sum(len(shard.tracks) for shard in shards)
    if not tracks:
        # Nothing is lost with them, and the next run looks again.
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
