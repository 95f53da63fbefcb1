#!/usr/bin/env python3
"""Kills a batch at random moments, goes on each time, and compares what comes out with an undisturbed run, byte by byte.

    python tools/batch_chaos.py jobs.csv --kills 20 --jobs 2

Each kill is one of three: the driver alone (its workers must end by themselves), the driver with all its workers (as
when a machine goes down), or one worker (whose video must begin again). Needs Linux: it looks up processes in /proc.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

LEFT_OUT = ("run.json", "summary.csv", "summary.json", ".siamtrack.lock")
"""Frame rates differ from run to run."""


def main() -> int:
    """Status 0 if every run that was killed came to the same bytes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs_path", metavar="JOBS", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--model", default="siamfc-lite")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    chance, kinds = random.Random(args.seed), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="batch-chaos-") as root:
        command = [sys.executable, "-m", "siamtrack", "batch", str(args.jobs_path), "--jobs", str(args.jobs)]
        command += ["--model", args.model, "--video", "--out"]
        began = time.monotonic()
        status = subprocess.run([*command, f"{root}/whole"], stdout=subprocess.DEVNULL, check=False).returncode
        lasts = time.monotonic() - began
        whole = files_of(Path(root, "whole"))
        print(f"undisturbed: {lasts:.1f} s, status {status}, {len(whole)} files to compare")
        killed = rounds = 0
        while killed < args.kills:
            rounds += 1
            out = Path(root, f"round-{rounds}")
            while True:
                began = time.monotonic()
                process = subprocess.Popen([*command, str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                if killed < args.kills:
                    before = finished(out)
                    kind = kill(process, chance, lasts)
                    killed += kind != "none"
                    kinds[kind] += 1
                    wrong = [path for path, was in before.items() if finished(out).get(path) != was]
                    if wrong:
                        print(f"changed though finished: {wrong}")
                        return 1
                    if kind == "none":
                        lasts = min(lasts, time.monotonic() - began)
                _, errors = process.communicate()
                if process.returncode == status:
                    break
                if process.returncode != -signal.SIGKILL:
                    print(f"status {process.returncode}: {errors.strip().splitlines()[-1:]}")
                    return 1
            found = files_of(out)
            differing = sorted(name for name in {*found, *whole} if found.get(name) != whole.get(name))
            print(f"round {rounds}: {killed} kills so far ({dict(kinds)}), {len(differing)} files differ {differing[:5]}")
            if differing:
                return 1
    return 0


def kill(process: subprocess.Popen[str], chance: random.Random, lasts: float) -> str:
    """Kill something of a batch at a random moment; says what, or `none` if the batch ended before."""
    try:
        process.wait(chance.uniform(0, lasts))
    except subprocess.TimeoutExpired:
        kind = chance.choice(["driver", "all", "worker"])
        workers = children(process.pid)
        if kind == "worker" and not workers:
            kind = "driver"
        if kind != "worker":
            process.kill()
        for worker in {"driver": [], "all": workers, "worker": workers[:1]}[kind]:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        return kind
    return "none"


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def files_of(out: Path) -> dict[str, bytes]:
    """Everything that must be the same."""
    paths = (path for path in sorted(out.rglob("*")) if path.is_file() and path.name not in LEFT_OUT)
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


def finished(out: Path) -> dict[Path, int]:
    """When each finished track was written."""
    return {path: path.stat().st_mtime_ns for path in out.rglob("boxes.csv")}


if __name__ == "__main__":
    sys.exit(main())
