"""`siamtrack eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siamtrack.cli import options
from siamtrack.cli.terminal import Bar, resumed_by_the_same_command
from siamtrack.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siamtrack.data.benchmarks import Benchmark
    from siamtrack.eval.evaluation import Evaluation
    from siamtrack.eval.named import TrackerSpec


def evaluate(
    benchmark: Annotated[
        str,
        typer.Argument(
            metavar="BENCHMARK",
            help="got10k, otb2013, otb2015, uav123, uav20l, dtb70, nfs30, nfs240, tcolor128, lasot, trackingnet, or folder: "
            "your own sequences, in GOT-10k's layout or as NAME.mp4 with NAME.txt.",
        ),
    ],
    folder: Annotated[Path | None, typer.Argument(metavar="ROOT", help="The data set's folder; the same as --root.")] = None,
    root: Annotated[Path | None, typer.Option(help="The data set's folder; for got10k the one that holds val/, test/.")] = None,
    subset: Annotated[str | None, typer.Option(help="Such as val or test. Default: that of its protocol.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for results and report; a run that was stopped continues in it.")
    ] = None,
    tracker: Annotated[
        list[str] | None,
        typer.Option(
            "--tracker",
            "--model",
            metavar="NAME",
            help="siamfc-lite, siamfc, a weights file, cv2:mil|kcf|csrt|nano|vit, onnx:nanotrackv2|nanotrackv3|fear_xs, "
            "identity; may be repeated. A model may be followed by constants: siamfc,window_influence=0.25.",
        ),
    ] = None,
    onnx_dir: Annotated[Path | None, typer.Option(help="Folder of the ONNX files of cv2:nano, cv2:vit and onnx:...")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes. Default: as many as there are cores.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each process; results can depend on it.")] = 1,
    only: Annotated[str, typer.Option(metavar="NAMES", help="Sequences to use, separated by commas. Default: all.")] = "",
    compare: Annotated[Path | None, typer.Option(metavar="DIR", help="Another evaluation, compared in the report.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only check the data set, and list its faults.")] = False,
    thorough: Annotated[bool, typer.Option("--thorough", help="With --check: decode every image.")] = False,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    backend: options.Backend = "auto",
    redetect: options.BenchmarkRedetect = False,
) -> int:
    """Run trackers on a benchmark, and write a report. The same command continues a run that was stopped.

    \b
    Examples:
      siamtrack eval got10k --root GOT-10k --subset val --out runs/val --tracker siamfc-lite --tracker cv2:mil
      siamtrack eval got10k --root GOT-10k --subset test --out runs/test     (ends with the archive for the server)
      siamtrack eval folder my-sequences --out runs/mine
      siamtrack eval --check my-sequences
    """
    from siamtrack.data.benchmarks import BENCHMARKS

    if benchmark not in BENCHMARKS and folder is None and root is None and Path(benchmark).exists():
        benchmark, folder = "folder", Path(benchmark)
    place = folder or root
    if place is None or (folder is not None and root is not None):
        raise ValueError("say where the data set is, once: siamtrack eval got10k --root DIR")
    if check:
        return _check(benchmark, place, subset, thorough)
    if out is None:
        raise ValueError("--out is missing: the folder for results and report")

    from siamtrack.data.benchmarks import open_benchmark
    from siamtrack.eval.evaluation import score, trackers_of
    from siamtrack.eval.named import TrackerSpec
    from siamtrack.eval.runner import run_benchmark, usual_jobs

    data = open_benchmark(benchmark, place, subset, list(filter(None, only.split(","))))
    names = dict.fromkeys(tracker or [DEFAULT_MODEL])
    # Read before the run: hours of it must not end in a wrong path.
    other = score(data, trackers_of(compare), compare, {"folder": compare.name}) if compare is not None else None
    specs = [TrackerSpec(name, (), onnx_dir, device, precision, backend, redetect, threads) for name in names]
    frames, runs = sum(len(video.boxes_xywh) for video in data.sequences), len(specs) * len(data.sequences)
    count = iter(range(1, runs + 1))
    kept = resumed_by_the_same_command("every finished sequence")
    with kept, Bar("starting", len(specs) * frames) as bar:

        def done(tracker: str, sequence: str, frames: int, fresh: bool) -> None:
            number = next(count)
            bar.advance(f"{tracker} {sequence}"[:48], frames)
            if fresh:
                bar.line(f"{number}/{runs}  {tracker}  {sequence}")

        run_benchmark(specs, data, out, jobs or usual_jobs(threads), done)
    return _pack(data, specs, out) if data.hidden else _report(data, list(names), out, other)


def _report(data: Benchmark, trackers: Sequence[str], out: Path, other: Evaluation | None) -> int:
    from siamtrack.eval.evaluation import about_run, score, success_line
    from siamtrack.eval.report import write_report

    found = score(data, trackers, out, about_run(trackers, out))
    path = write_report(found, out, {video.name: video for video in data.sequences}, other)
    for line in success_line(found):
        typer.echo(line)
    typer.echo(f"Report: {path}")
    return 0


def _pack(data: Benchmark, specs: Sequence[TrackerSpec], out: Path) -> int:
    from siamtrack.eval.store import ResultStore, write_submission

    for spec in specs:
        store = ResultStore(out, spec.name)
        if data.name != "GOT-10k":  # its archive has a form of its own, which was never checked against its server
            typer.echo(f"Results: {store.folder}; pack them as the server of {data.name} says, no archive is made")
            continue
        path = write_submission(store, data.sequences, out / f"{store.name}.zip")
        typer.echo(f"Ready for the server of {data.name}: {path} ({len(data.sequences)} sequences, every line checked)")
    return 0


def _check(benchmark: str, root: Path, subset: str | None, thorough: bool) -> int:
    from siamtrack.data.benchmark_check import CheckReport, check_benchmark

    report = CheckReport()
    for finding in check_benchmark(benchmark, root, subset, thorough, report):
        typer.echo(f"bad: {finding.name}: {finding.reason}")
    typer.echo(str(report))
    return 1 if report.findings else 0
