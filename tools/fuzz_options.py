#!/usr/bin/env python3
"""Give every command wrong values, and count how that ends.

    tools/fuzz_options.py WORK --runs 150 --seed 1
    tools/fuzz_options.py WORK --only track "data check"

WORK is an empty folder for what is made. A run ends with status 0 or 1 (`done`), with status 2 and at most three lines on
stderr (`refused`), or `ran on` if it was stopped after LIMIT_S and obeyed. Everything else is printed, with its seed: a
traceback, a crash, a hang, a NaN among boxes. LIMIT_S is of processor time, or of waiting without any: on a busy machine a
run is given as much work as on an idle one. Needs Linux.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

os.environ.setdefault("OMP_NUM_THREADS", "1")

from fuzz_samples import LIMIT_S, TEXTS, make_frames, make_got10k, make_run, tell, text_file, told


def main() -> None:
    """Fuzz, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--runs", type=int, default=150, help="runs a command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="names of commands")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    os.chdir(args.work)
    work = Path.cwd()
    if not (work / "pipe").exists():
        os.mkfifo(work / "pipe")
    total: Counter[str] = Counter()
    for name, good in commands(work).items():
        if not args.only or name in args.only:
            tell(name, fuzz_command(name, good, work, args.runs, args.seed), total)
    print(f"all: {told(total)}")
    sys.exit(1 if total["wrong"] else 0)


def commands(work: Path) -> dict[str, list[str]]:
    """A good call of every command, on small inputs made here."""
    frames, run = str(make_frames(work / "frames")), str(make_run(work / "run").parent)
    got10k, picture = str(make_got10k(work / "got10k").parents[1]), f"{frames}/00000001.jpg"
    jobs = str(text_file(work / "jobs.csv", f"video,target,start,x,y,w,h\n{frames},a,0,40,30,24,24\n"))
    recipe = str(Path(__file__).parents[1] / "configs" / "train_smoke.yaml")
    return {
        "track": [frames, "--box", "40,30,24,24"],
        "live": ["--source", frames, "--box", "40,30,24,24", "--no-window"],
        "demo": [],
        "batch": [jobs, "--jobs", "1"],
        "eval": ["got10k", got10k, "--jobs", "1"],
        "export-labels": [run, "--to", "mot"],
        "data check": [got10k],
        "data prepare": [got10k, "--workers", "1"],
        "train": [recipe, "--data", str(work), "--stop-after", "1"],
        "tune": [got10k, "--study", str(work / "s.sqlite"), "--trials", "1"],
        "bench": ["--frames", "2", "--rounds", "1"],
        "verify": [picture, picture],
        "export": ["siamfc"],
        "doctor": [],
    }


def spoiled(command: str, good: list[str], out: Path, work: Path, rng: random.Random) -> list[str]:
    """A call with one to three values that are wrong, odd or somebody else's."""
    import typer.main

    from siamtrack.cli import app

    found: Any = typer.main.get_command(app)
    for word in command.split():
        found = found.commands[word]
    made = [str(work / name) for name in ("pipe", "jobs.csv", "run")]
    places = ["/dev/null", "/", "/proc/self/mem", *made, "/dev/full", str(work)]
    arguments = list(good)
    options = [option for option in found.params if option.opts[0].startswith("-")]
    if any("--out" in option.opts for option in options) and command != "doctor":
        arguments += ["--out", str(out)]
    for _ in range(rng.choice([1, 1, 2, 3])):
        if arguments and not arguments[0].startswith("-") and rng.random() < 0.2:
            arguments[0] = rng.choice([*TEXTS, *places])
            continue
        if not options:
            arguments.append("--help")
            continue
        option = rng.choice(options)
        arguments.append(rng.choice([*option.opts, *option.secondary_opts]))
        if not getattr(option, "is_flag", False):
            arguments.append(rng.choice([*TEXTS, *TEXTS, *places]))
    return [*command.split(), *(each.replace("\0", "") for each in arguments)]


def fuzz_command(name: str, good: list[str], work: Path, count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Calls and ends of so many runs."""
    for number in range(count):
        out = work / "out"
        shutil.rmtree(out, ignore_errors=True)
        arguments = spoiled(name, good, out, work, random.Random(f"{name}/{seed}/{number}"))
        end = run_command(arguments, work / "log.txt")
        yield " ".join(map(ascii, arguments)), f"NaN: {rows[0]}" if (rows := nan_rows(out)) else end


def run_command(arguments: list[str], log: Path) -> str:
    """How a call ends, in a process of its own."""
    child = os.fork()
    if not child:
        _be_siamtrack(arguments, log)
    for number in (0, signal.SIGTERM, signal.SIGKILL):
        if number:
            os.kill(child, number)
        status = wait(child)
        if status is not None:
            break
    else:
        return "does not even end when it is killed"
    text = log.read_text(encoding="utf-8", errors="replace")
    code = os.waitstatus_to_exitcode(status)
    if number == signal.SIGKILL:
        return f"hangs, and SIGTERM does nothing: {text[-100:]!r}"
    if "Traceback" in text:
        return f"traceback: {text.strip().splitlines()[-1][:150]}"
    if code < 0 and code != -signal.SIGTERM:
        return f"crash: signal {-code}"
    if number:
        return "ran on"
    if code in (0, 1):
        return "done"
    return "refused" if code == 2 and text.count("\n") <= 3 else f"status {code}: {text[:150]!r}"


def wait(child: int) -> int | None:
    """With what status a child ends; None if it worked for LIMIT_S or waited as long for something.

    Work is counted in processor time: on a busy machine a start alone can take longer than LIMIT_S.
    """
    begun = at_work = time.monotonic()
    before = used = work_s(child)
    while used - before < LIMIT_S and time.monotonic() - at_work < LIMIT_S and time.monotonic() - begun < 10 * LIMIT_S:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.02)
        now = work_s(child)
        if now > used:
            used, at_work = now, time.monotonic()
    return None


def work_s(session: int) -> float:
    """Seconds of processor time of a session's processes and of their children that have ended."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[3]) == session:
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _be_siamtrack(arguments: list[str], log: Path) -> NoReturn:
    import resource

    from siamtrack.cli import main

    resource.setrlimit(resource.RLIMIT_FSIZE, (2**30, 2**30))
    os.setsid()
    for number, path in ((0, os.devnull), (1, os.devnull), (2, str(log))):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), number)
    sys.argv = ["siamtrack", *arguments]
    code = 1
    try:
        main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stderr.flush()
    os._exit(code)


def nan_rows(out: Path) -> list[str]:
    """Rows of results with a NaN."""
    return [
        line
        for path in out.rglob("boxes.csv")
        for line in path.read_text().splitlines()
        if "nan" in line.lower() or "inf" in line
    ]


if __name__ == "__main__":
    main()
