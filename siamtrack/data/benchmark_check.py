"""What is wrong with a download of a benchmark, sequence by sequence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from siamtrack.data.benchmark_readers import got10k_folder, got10k_items
from siamtrack.data.benchmarks import BenchmarkEntry, find_problem, load_sequences, read_cover, resolve
from siamtrack.data.label_files import folders
from siamtrack.data.pictures import Picture
from siamtrack.data.sequence import BAD_INPUT, Bad, Item, Sequence
from siamtrack.errors import reason


@dataclass
class CheckReport:
    """Counts of a check; they grow while it runs and are complete at its end.

    Attributes:
        sequences: checked. frames: of those whose labels and frames agree. bad: sequences with a finding.
        findings: all, those that concern no single sequence among them.
    """

    sequences: int = 0
    frames: int = 0
    bad: int = 0
    findings: int = 0

    def __str__(self) -> str:
        return f"{self.sequences} sequences, {self.frames} frames; {self.bad} bad sequences, {self.findings} findings"


def check_benchmark(
    name: str, root: str | Path, subset: str | None = None, thorough: bool = False, report: CheckReport | None = None
) -> Iterator[Bad]:
    """Look for all that is wrong with a benchmark on disk. Images of several sizes in one sequence are fine.

    Args:
        name, root, subset: as for `open_benchmark`.
        thorough: decode every frame; otherwise the first and the last of each sequence, and no file may be empty.
        report: is filled while the findings are taken.

    Returns:
        Findings in the benchmark's order, made while they are taken. Each names a sequence; or `list.txt`, or the
        benchmark's title. Where there is no such root, name or subset, an error is raised at once.
    """
    entry, root, subset = resolve(name, root, subset)
    # A second function, because a generator would raise only when the first finding is asked for.
    return _check(entry, root, subset, thorough, CheckReport() if report is None else report)


def _check(entry: BenchmarkEntry, root: Path, subset: str, thorough: bool, report: CheckReport) -> Iterator[Bad]:
    try:
        items, listing = _find_items(entry, root, subset)
    except BAD_INPUT as error:
        items, listing = [], [Bad(entry.title, reason(error))]
    if entry.count is not None and len(items) != entry.count:
        listing.append(Bad(entry.title, f"{len(items)} sequences found, {entry.count} expected; get the others"))
    elif not items and not listing:
        listing.append(Bad(entry.title, f"no sequence found in {root}; expected {entry.layout}"))
    for finding in listing:
        report.findings += 1
        yield finding
    for item in items:
        reasons = list(_check_item(item, entry.protocol == "got10k" and subset not in entry.hidden, thorough, report))
        report.sequences += 1
        report.bad += bool(reasons)
        report.findings += len(reasons)
        yield from reasons


def _find_items(entry: BenchmarkEntry, root: Path, subset: str) -> tuple[list[Item], list[Bad]]:
    """The items, and what is wrong with their list; where it is missing all folders count."""
    if entry.title != "GOT-10k":
        return entry.reader(root, subset), []
    folder = got10k_folder(root, subset)
    items = got10k_items(folder, subset)
    if not (folder / "list.txt").is_file():
        return items, [Bad("list.txt", f"{folder}/list.txt not found; all folders are checked instead")]
    listed = {item.name for item in items}
    strays = [path.name for path in folders(folder) if path.name not in listed]
    return items, [Bad(stray, f"{folder / stray} is not in list.txt; it will not be used") for stray in strays]


def _check_item(item: Item, covered: bool, thorough: bool, report: CheckReport) -> Iterator[Bad]:
    try:
        sequences = load_sequences(item)
    except BAD_INPUT as error:
        yield Bad(item.name, reason(error))
        return
    for sequence in sequences:
        found = find_problem(sequence) or (_cover_problem(sequence) if covered else "")
        if found:
            yield Bad(sequence.name, found)
        else:
            report.frames += len(sequence.boxes_xywh)
        # Labels that do not fit must not hide images that are damaged, nor the other way round.
        damaged = _frames_problem(sequence, thorough)
        if damaged:
            yield Bad(sequence.name, damaged)


def _cover_problem(sequence: Sequence) -> str:
    try:
        read_cover(sequence)
    except BAD_INPUT as error:
        return reason(error)
    return ""


def _frames_problem(sequence: Sequence, thorough: bool) -> str:
    """The first file that is empty or cannot be decoded, and how many there are; empty if all are good."""
    if not sequence.images:
        if not sequence.path.is_file():
            return ""  # no frames at all, which has been said
        try:
            sequence.check(fast=not thorough)
        except BAD_INPUT as error:
            return reason(error)
        return ""
    last = len(sequence.images) - 1
    bad = []
    for index, path in enumerate(sequence.images):
        try:
            if path.stat().st_size == 0:
                bad.append(f"{path} is empty; get the file again")
            elif thorough or index in (0, last):
                Picture(path).read()
        except BAD_INPUT as error:
            bad.append(reason(error))
    return bad[0] + (f" (and {len(bad) - 1} more)" if len(bad) > 1 else "") if bad else ""
