#!/usr/bin/env python3
"""Give every reader malformed files, and every command wrong values, and count how that ends.

    tools/fuzz_inputs.py WORK --files 100 --runs 150 --seed 1
    tools/fuzz_inputs.py WORK --only weights.pth track

WORK is an empty folder for what is made. A file is `read`, or `refused` by an error for its user. A run ends with status 0 or
1 (`done`), with status 2 and at most three lines on stderr (`refused`), or `ran on` if it was stopped after LIMIT_S and obeyed.
Everything else is printed, with its seed: a traceback, a crash, a hang, a NaN among boxes. Needs a system that can fork.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import shutil
import signal
import string
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np

import siamtrack
from siamtrack.errors import SiamtrackError

LIMIT_S = 10.0
ENDS = ("read", "refused", "done", "ran on")
MEMORY = 4 * 2**30

TEXTS = [
    *(
        "",
        " ",
        "-",
        "--",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "-1",
        "0",
        "1",
        "0x10",
        "1_000",
        "true",
        "null",
        "~",
        "[]",
        "{}",
        "a=b",
    ),
    *("9" * 25, "9" * 400, "-" + "9" * 30, "1.5", "é", "日本", "\u202e", "\x1b[31m", "a\nb", "\udcff", "x" * 5000, "../" * 40),
    *(
        "1,2,3,4",
        "0,0,0,0",
        "nan,1,2,3",
        "1e300,0,1e300,9",
        "-5,-5,20,20",
        "10x10",
        "auto",
        "cpu",
        "cuda:99",
        "torch",
        "*",
        "?",
    ),
]
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 1.5, -0.0, 1e308, float("nan"), float("inf"), "", "x", "\ud800", "é"),
    *([], {}, [[]], [None], {"": None}, [1, 2, 3, 4], "nan", "1e400", [[[[[[1]]]]]], "a" * 3000),
]


class Reader(NamedTuple):
    """A reader, a good file of its kind in the folder that it is given, and what is read: that file, or its folder."""

    make: Callable[[Path], Path]
    read: Callable[[Path], Any]
    of_folder: bool = False


# ---- good inputs


def make_frames(folder: Path, count: int = 6) -> Path:
    """A folder of pictures with a square that moves to the right."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    ground, square = rng.integers(0, 90, (96, 128, 3), np.uint8), rng.integers(120, 255, (24, 24, 3), np.uint8)
    for i in range(count):
        image = ground.copy()
        image[30:54, 40 + 2 * i : 64 + 2 * i] = square
        cv2.imwrite(str(folder / f"{i + 1:08d}.jpg"), image)
    return folder


def make_got10k(folder: Path) -> Path:
    """A folder of one sequence, and its boxes."""
    make_frames(folder / "one")
    boxes = folder / "one" / "groundtruth.txt"
    boxes.write_text("".join(f"{40 + 2 * i},30,24,24\n" for i in range(6)))
    return boxes


def make_mot(folder: Path) -> Path:
    """A MOT sequence's gt.txt."""
    make_frames(folder / "one" / "img1")
    (folder / "one" / "gt").mkdir()
    return _text(folder / "one" / "gt" / "gt.txt", "".join(f"{i},1,{39 + 2 * i},31,24,24,1,1,1\n" for i in range(1, 7)))


def make_coco(folder: Path) -> Path:
    """A COCO table beside its images."""
    make_frames(folder / "images", 2)
    images = [{"id": i, "file_name": f"{i:08d}.jpg", "width": 128, "height": 96} for i in (1, 2)]
    labels = [{"id": i, "image_id": i, "category_id": 1, "bbox": [40, 30, 24, 24], "iscrowd": 0} for i in (1, 2)]
    data = {"images": images, "annotations": labels, "categories": [{"id": 1, "name": "square"}]}
    return _text(folder / "instances_val.json", json.dumps(data))


def make_run(folder: Path) -> Path:
    """A run's folder, as `siamtrack track` writes it; returns its boxes.csv."""
    rows = "".join(f"{i},{i / 30:.6f},{40 + 2 * i},30,24,24,0.9,TRACKING\n" for i in range(6))
    about = {"source": "frames", "frame_wh": [128, 96], "frames": 6, "ended": "done", "fps": {"end_to_end": {"fps": 9.0}}}
    _text(folder / "run.json", json.dumps(about))
    return _text(folder / "boxes.csv", "frame,time_s,x,y,w,h,score,state\n" + rows)


def make_pairs(folder: Path) -> Path:
    """A CSV of pairs beside its pictures."""
    make_frames(folder, 2)
    return _text(folder / "pairs.csv", "a,b,label\n00000001.jpg,00000002.jpg,0\n00000002.jpg,00000001.jpg,1\n")


def make_gallery(folder: Path) -> Path:
    """A gallery of two classes."""
    from siamtrack.verify.gallery import Gallery

    gallery = Gallery(4)
    gallery.add(np.eye(4, dtype=np.float32), ["a", "a", "b", "b"])
    gallery.save(folder / "gallery.safetensors")
    return folder / "gallery.safetensors"


def _text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _array(path: Path) -> Path:
    np.save(path, np.arange(12.0).reshape(6, 2))
    return path


def _copy(source: Path) -> Callable[[Path], Path]:
    return lambda folder: Path(shutil.copy(source, folder / source.name))


# ---- readers


def readers() -> dict[str, Reader]:
    """Every reader of files from elsewhere, by name; videos have a test of their own."""
    from siamtrack.batch.manifest import read_manifest
    from siamtrack.batch.sequences import open_jobs
    from siamtrack.config import CONFIGS, build, load_yaml
    from siamtrack.data.labelled import open_labelled
    from siamtrack.data.layout import find_sequences, open_dataset
    from siamtrack.data.voc import read_annotation
    from siamtrack.eval.store import read_identity
    from siamtrack.labels.results_folder import load_tracks
    from siamtrack.model.weights import ASSETS, load_weights
    from siamtrack.tracking.config import TrackerConfig
    from siamtrack.verify.gallery import Gallery
    from siamtrack.verify.items import read_picture, read_sequence

    def check(root: Path) -> Any:
        return [fault for _, fault in open_dataset(root).check(fast=True)]

    csv = "video,target,start,x,y,w,h,end\nframes,a,0,40,30,24,24,\nframes,b,1,40,30,24,24,4\n"
    row = json.dumps({"video": "frames", "target": "a", "start": 0, "x": 40, "y": 30, "w": 24, "h": 24})
    box = "<bndbox><xmin>4</xmin><ymin>4</ymin><xmax>40</xmax><ymax>40</ymax></bndbox>"
    xml = f"<annotation><object><name>a</name>{box}</object></annotation>"
    found = {
        "constants.yaml": Reader(_copy(CONFIGS / "siamfc.yaml"), lambda path: build(TrackerConfig, load_yaml(path))),
        "weights.safetensors": Reader(_copy(ASSETS / "siamfc-lite.safetensors"), track_with),
        "gallery": Reader(make_gallery, Gallery.load),
        "manifest.csv": Reader(lambda folder: _text(folder / "jobs.csv", csv), read_manifest),
        "manifest.jsonl": Reader(lambda folder: _text(folder / "jobs.jsonl", f"{row}\n{row}\n"), read_manifest),
        "got10k": Reader(make_got10k, find_sequences, of_folder=True),
        "mot": Reader(make_mot, open_jobs, of_folder=True),
        "coco": Reader(make_coco, check, of_folder=True),
        "voc.xml": Reader(lambda folder: _text(folder / "a.xml", xml), read_annotation),
        "pairs.csv": Reader(make_pairs, open_labelled),
        "results": Reader(make_run, load_tracks, of_folder=True),
        "run.json": Reader(lambda folder: make_run(folder).with_name("run.json"), load_tracks, of_folder=True),
        "tracker.json": Reader(lambda folder: _text(folder / "tracker.json", '{"tracker": "a", "fps": 3}'), read_identity),
        "rows.csv": Reader(lambda folder: _text(folder / "rows.csv", "x,y\n1,2\n3,4\n"), read_sequence),
        "rows.npy": Reader(lambda folder: _array(folder / "rows.npy"), read_sequence),
        "picture.jpg": Reader(lambda folder: make_frames(folder, 1) / "00000001.jpg", read_picture),
    }
    try:
        import torch
    except ImportError:
        return found
    from siamtrack.train.recipe import Recipe
    from siamtrack.verify.network import load_verifier

    def make_pickled(folder: Path) -> Path:
        torch.save({f"conv{i}.weight": torch.zeros(2, 3) for i in range(3)}, folder / "w.pth")
        return folder / "w.pth"

    return {
        **found,
        "recipe.yaml": Reader(_copy(CONFIGS / "train_smoke.yaml"), lambda path: build(Recipe, load_yaml(path))),
        "weights.pth": Reader(make_pickled, load_weights),
        "verifier": Reader(_copy(ASSETS / "verifier.safetensors"), load_verifier),
    }


def track_with(weights: Path) -> None:
    """Track a frame with weights that can be loaded: what leaves the tracker is finite, or it raises."""
    tracker = siamtrack.load(weights, device="cpu", precision="float32")
    frame = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    tracker.init(frame, (40, 30, 24, 24))
    result = tracker.update(frame)
    if not np.isfinite([*result.box, result.score]).all():
        raise ArithmeticError(f"{result} is not finite")


# ---- malformed files


def malform(path: Path, rng: random.Random) -> None:
    """Make a good file a bad one: in its structure if it has one that is known, else in its bytes."""
    data = path.read_bytes()
    structured = {".json": _json, ".jsonl": _json, ".safetensors": _table, ".pth": _pickled, ".yaml": _yaml}.get(path.suffix)
    changed = structured(data, rng) if structured and rng.random() < 0.7 else None
    if changed is None and path.suffix in (".csv", ".txt") and rng.random() < 0.7:
        changed = _cells(data, rng)
    path.write_bytes(_bytes(data, rng) if changed is None else changed)


def _bytes(data: bytes, rng: random.Random) -> bytes:
    at, length = rng.randrange(len(data) + 1), rng.choice([1, 1, 2, 8, 100])
    noise = bytes(rng.randrange(256) for _ in range(length))
    return rng.choice(
        [
            *(
                data[:at],
                data[at:],
                data[:at] + noise + data[at + length :],
                data[:at] + noise + data[at:],
                b"",
                noise,
                data * 2,
            ),
            *(data[:at] + bytes(length) + data[at + length :], data.replace(b"\n", b"\r"), b"\xff\xfe" + data),
            data[:at] + b"[" * 20000,
        ]
    )


def _cells(data: bytes, rng: random.Random) -> bytes:
    lines = [line.split(",") for line in data.decode().splitlines()]
    line = rng.choice(lines)
    line[rng.randrange(len(line))] = rng.choice(TEXTS)
    if rng.random() < 0.2:
        line.append('"')
    return "\n".join(map(",".join, lines)).encode("utf-8", "surrogateescape")


def _changed(value: Any, rng: random.Random) -> Any:
    """Plain data with one value, key or branch changed."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(list(value))
        rest = {other: item for other, item in value.items() if other != key}
        what = rng.random()
        return (
            rest
            if what < 0.15
            else {**rest, rng.choice(TEXTS): value[key]}
            if what < 0.25
            else {**value, key: _changed(value[key], rng)}
        )
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        return [*value[:at], _changed(value[at], rng), *value[at + 1 :]]
    return rng.choice(VALUES)


def _json(data: bytes, rng: random.Random) -> bytes:
    lines = data.decode().splitlines() if data.count(b"\n") > 1 else [data.decode()]
    at = rng.randrange(len(lines))
    lines[at] = (
        rng.choice(["[" * 5000, '{"a":' * 5000]) if rng.random() < 0.1 else json.dumps(_changed(json.loads(lines[at]), rng))
    )
    return "\n".join(lines).encode()


def _yaml(data: bytes, rng: random.Random) -> bytes:
    import yaml

    if rng.random() < 0.2:
        names = string.ascii_lowercase[:12]
        bomb = [f"a: &a [{', '.join(['x'] * 9)}]"]
        bomb += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in pairwise(names)]
        return rng.choice(
            ["\n".join(bomb), "a: &a [*a]", "{a: " * 3000, "? [1]\n: 2", "1: 2", "a: !!int ''", "a: !!python/name:os.system"]
        ).encode()
    return yaml.safe_dump(_changed(yaml.safe_load(data), rng)).encode()


def _table(data: bytes, rng: random.Random) -> bytes:
    """The table of a safetensors file changed, or the JSON that it holds as text."""
    length = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + length])
    metadata = table.get("__metadata__") or {}
    if metadata and rng.random() < 0.6:
        key = next(iter(metadata))
        text = "[" * 5000 if rng.random() < 0.1 else json.dumps(_changed(json.loads(metadata[key]), rng))
        table["__metadata__"] = {key: text}
    elif rng.random() < 0.2:
        table["__metadata__"] = rng.choice(VALUES)
    else:
        key = rng.choice([name for name in table if name != "__metadata__"])
        table[key] = (
            {**table[key], "dtype": rng.choice(["F8_E4M3", "BF16", "F64", "U64", "C64", "x"])}
            if rng.random() < 0.3
            else _changed(table[key], rng)
        )
    head = json.dumps(table).encode()
    return len(head).to_bytes(8, "little") + head + data[8 + length :]


def _pickled(data: bytes, rng: random.Random) -> bytes:
    """A checkpoint of anything that PyTorch will save."""
    import torch

    tensors = [
        *(
            torch.zeros(2, 3),
            torch.zeros(2, 3).to_sparse(),
            torch.empty(2, 3, device="meta"),
            torch.zeros(1).expand(2**20, 2**20),
        ),
        *(
            torch.zeros(2).to(torch.float8_e4m3fn),
            torch.zeros(2, dtype=torch.complex64),
            torch.quantize_per_tensor(torch.zeros(2), 1.0, 0, torch.qint8),
        ),
        *(
            torch.full((2,), float("nan")),
            torch.zeros(0),
            torch.nn.Parameter(torch.zeros(2)),
            torch.zeros(2, dtype=torch.bfloat16),
        ),
    ]
    plain = [*VALUES, *tensors]
    keys = [
        *("net", "recipe", "average", "step", "model", "head", "color_order", "head.gain", "conv1.0.weight"),
        7,
        None,
        ("a",),
    ]
    recipe = {"model": rng.choice(["siamfc", "siamfc-lite", 3, None]), "color_order": rng.choice(["rgb", 1, None])}
    state: Any = rng.choice(
        [
            *({}, [], None, 3, rng.choice(plain), {rng.choice(keys): rng.choice(plain) for _ in range(3)}),
            {
                "net": rng.choice([*plain, {"a": rng.choice(plain)}]),
                "recipe": rng.choice([*plain, recipe]),
                "step": rng.choice(plain),
            },
            {
                "net": {"a": rng.choice(plain)},
                "recipe": recipe,
                "average": rng.choice([*plain, {"a": rng.choice(plain)}]),
                "step": 3,
            },
        ]
    )
    stream = io.BytesIO()
    torch.save(state, stream, _use_new_zipfile_serialization=rng.random() < 0.8)
    return _zip_bomb() if rng.random() < 0.1 else stream.getvalue()


@cache
def _zip_bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
        with archive.open("archive/data/0", "w") as part:
            for _ in range(600):
                part.write(bytes(2**20))
    return stream.getvalue()


def read_malformed(reader: Reader, folder: Path, seed: str) -> str:
    """How one malformed file ends: `read`, `refused`, or what went wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = reader.make(folder)
    malform(path, random.Random(seed))
    try:
        with limited(LIMIT_S):
            reader.read(folder if reader.of_folder else path)
    except (SiamtrackError, FileNotFoundError) as error:
        text = str(error)
        good = text and len(text) < 2000 and text.isprintable()
        return "refused" if good else f"a message of {len(text)} characters: {text[:100]!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    return "read"


# ---- wrong values on the command line


def commands(work: Path) -> dict[str, list[str]]:
    """A good call of every command, on small inputs made here."""
    frames, run = str(make_frames(work / "frames")), str(make_run(work / "run").parent)
    got10k, picture = str(make_got10k(work / "got10k").parents[1]), f"{frames}/00000001.jpg"
    jobs = str(_text(work / "jobs.csv", f"video,target,start,x,y,w,h\n{frames},a,0,40,30,24,24\n"))
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
    places = [
        "/dev/null",
        "/",
        "/proc/self/mem",
        str(work / "pipe"),
        str(work / "jobs.csv"),
        str(work / "run"),
        "/dev/full",
        str(work),
    ]
    arguments = list(good)
    options = [option for option in found.params if option.opts[0].startswith("-")]
    if any("--out" in option.opts for option in options) and command != "doctor":
        arguments += ["--out", str(out)]
    for _ in range(rng.choice([1, 1, 2, 3])):
        if arguments and not arguments[0].startswith("-") and rng.random() < 0.2:
            arguments[0] = rng.choice([*TEXTS, *places])
            continue
        option = rng.choice(options or found.get_params(None)[-1:])  # `--help`, where there is no other
        arguments.append(rng.choice([*option.opts, *option.secondary_opts]))
        if not getattr(option, "is_flag", False):
            arguments.append(rng.choice([*TEXTS, *TEXTS, *places]))
    return [*command.split(), *(each.replace("\0", "") for each in arguments)]


def run_command(arguments: list[str], log: Path) -> str:
    """How a call ends, in a process of its own."""
    child = os.fork()
    if not child:
        _be_siamtrack(arguments, log)
    signal_at, status = time.monotonic() + LIMIT_S, 0
    for number, patience_s in ((0, LIMIT_S), (signal.SIGTERM, LIMIT_S), (signal.SIGKILL, 60.0)):
        if number:
            os.kill(child, number)
        signal_at = time.monotonic() + patience_s
        while time.monotonic() < signal_at:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            time.sleep(0.01)
        else:
            continue
        break
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


# ---- all of it


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in what takes longer."""

    def late(*_: object) -> None:
        raise TimeoutError(f"still reading after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fuzz_reader(name: str, reader: Reader, folder: Path, count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Seeds and ends of so many malformed files."""
    for number in range(count):
        key = f"{name}/{seed}/{number}"
        yield key, read_malformed(reader, folder, key)


def fuzz_command(name: str, good: list[str], work: Path, count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Calls and ends of so many runs."""
    for number in range(count):
        out = work / "out"
        shutil.rmtree(out, ignore_errors=True)
        arguments = spoiled(name, good, out, work, random.Random(f"{name}/{seed}/{number}"))
        end = run_command(arguments, work / "log.txt")
        yield " ".join(map(ascii, arguments)), f"NaN: {rows[0]}" if (rows := nan_rows(out)) else end


def _told(counts: Counter[str]) -> str:
    return ", ".join([f"{counts.total()} tried", *(f"{counts[kind]} {kind}" for kind in (*ENDS, "wrong") if counts[kind])])


def main() -> None:
    """Fuzz, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--files", type=int, default=100, help="malformed files a reader")
    parser.add_argument("--runs", type=int, default=150, help="runs a command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="names of readers and commands")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    os.chdir(args.work)
    work = Path.cwd()
    if not (work / "pipe").exists():
        os.mkfifo(work / "pipe")
    import resource

    total: Counter[str] = Counter()

    def tell(name: str, ends: Iterator[tuple[str, str]]) -> None:
        counts: Counter[str] = Counter()
        for what, end in ends:
            kind = end if end in ENDS else "wrong"
            counts[kind] += 1
            if kind == "wrong":
                print(f"  {what[:300]}\n    {end}", flush=True)
        total.update(counts)
        print(f"{name}: {_told(counts)}", flush=True)

    for name, good in commands(work).items():  # before the readers: they bring in PyTorch, whose threads no fork has
        if not args.only or name in args.only:
            tell(name, fuzz_command(name, good, work, args.runs, args.seed))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    for name, reader in readers().items():
        if not args.only or name in args.only:
            tell(name, fuzz_reader(name, reader, work / "reader", args.files, args.seed))
    print(f"all: {_told(total)}")
    sys.exit(1 if total["wrong"] else 0)


if __name__ == "__main__":
    main()
