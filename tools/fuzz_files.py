#!/usr/bin/env python3
"""Give every reader malformed files, and count how that ends.

    tools/fuzz_files.py WORK --files 100 --seed 1
    tools/fuzz_files.py WORK --only weights.pth coco

WORK is an empty folder for what is made. A file is `read`, or `refused` by an error for its user. Everything else is printed,
with its seed: another error, a hang, numbers that are not finite. Needs a system with alarms and limits on memory.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import shutil
import signal
import string
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from fuzz_samples import (
    LIMIT_S,
    TEXTS,
    VALUES,
    make_coco,
    make_frames,
    make_gallery,
    make_got10k,
    make_mot,
    make_pairs,
    make_run,
    tell,
    text_file,
    told,
)

import siamtrack
from siamtrack.errors import SiamtrackError

MEMORY = 4 * 2**30


def main() -> None:
    """Fuzz, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--files", type=int, default=100, help="malformed files a reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="names of readers")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    total: Counter[str] = Counter()
    for name, reader in readers().items():
        if not args.only or name in args.only:
            tell(name, fuzz_reader(name, reader, args.work / "reader", args.files, args.seed), total)
    print(f"all: {told(total)}")
    sys.exit(1 if total["wrong"] else 0)


class Reader(NamedTuple):
    """A reader, a good file of its kind in the folder that it is given, and what is read: that file, or its folder."""

    make: Callable[[Path], Path]
    read: Callable[[Path], Any]
    of_folder: bool = False


def readers() -> dict[str, Reader]:
    """Every reader of files from elsewhere, by name; videos have a test of their own."""
    from siamtrack.batch.manifest import read_manifest
    from siamtrack.batch.sequences import open_jobs
    from siamtrack.config import CONFIGS, build, load_yaml
    from siamtrack.data.labelled import open_labelled
    from siamtrack.data.layout import find_sequences, open_dataset
    from siamtrack.data.voc import read_annotation
    from siamtrack.eval.store import read_identity
    from siamtrack.labels.tracks import load_tracks
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
        "manifest.csv": Reader(lambda folder: text_file(folder / "jobs.csv", csv), read_manifest),
        "manifest.jsonl": Reader(lambda folder: text_file(folder / "jobs.jsonl", f"{row}\n{row}\n"), read_manifest),
        "got10k": Reader(make_got10k, find_sequences, of_folder=True),
        "mot": Reader(make_mot, open_jobs, of_folder=True),
        "coco": Reader(make_coco, check, of_folder=True),
        "voc.xml": Reader(lambda folder: text_file(folder / "a.xml", xml), read_annotation),
        "pairs.csv": Reader(make_pairs, open_labelled),
        "results": Reader(make_run, load_tracks, of_folder=True),
        "run.json": Reader(lambda folder: make_run(folder).with_name("run.json"), load_tracks, of_folder=True),
        "tracker.json": Reader(lambda folder: text_file(folder / "tracker.json", '{"tracker": "a", "fps": 3}'), read_identity),
        "rows.csv": Reader(lambda folder: text_file(folder / "rows.csv", "x,y\n1,2\n3,4\n"), read_sequence),
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


def _array(path: Path) -> Path:
    np.save(path, np.arange(12.0).reshape(6, 2))
    return path


def _copy(source: Path) -> Callable[[Path], Path]:
    return lambda folder: Path(shutil.copy(source, folder / source.name))


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
    noise, head, tail = bytes(rng.randrange(256) for _ in range(length)), data[:at], data[at + length :]
    changed = [head, data[at:], head + noise + tail, head + noise + data[at:], b"", noise, data * 2]
    changed += [head + bytes(length) + tail, data.replace(b"\n", b"\r"), b"\xff\xfe" + data, head + b"[" * 20000]
    return rng.choice(changed)


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
        if what < 0.15:
            return rest
        return {**rest, rng.choice(TEXTS): value[key]} if what < 0.25 else {**value, key: _changed(value[key], rng)}
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

    zeros = torch.zeros(2, 3)
    tensors = [zeros, zeros.to_sparse(), zeros.to("meta"), zeros.bool(), zeros[:0], torch.nn.Parameter(zeros), zeros / 0]
    tensors += [zeros.to(kind) for kind in (torch.float8_e4m3fn, torch.complex64, torch.bfloat16)]
    tensors += [torch.quantize_per_tensor(zeros, 1.0, 0, torch.qint8), torch.zeros(1).expand(2**20, 2**20)]
    plain = [*VALUES, *tensors]
    keys = ["net", "recipe", "average", "step", "model", "head", "color_order", "head.gain", "conv1.0.weight", 7, None, ("a",)]
    recipe = {"model": rng.choice(["siamfc", "siamfc-lite", 3, None]), "color_order": rng.choice(["rgb", 1, None])}
    net = {"a": rng.choice(plain)}
    odd: dict[str, Any] = {key: rng.choice([*plain, net, recipe]) for key in ("net", "recipe", "average", "step")}
    half = {"net": net, "recipe": recipe, "average": odd["average"], "step": 3}
    state = rng.choice([{}, [], None, 3, odd["step"], {rng.choice(keys): rng.choice(plain) for _ in range(3)}, odd, half])
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


def fuzz_reader(name: str, reader: Reader, folder: Path, count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Seeds and ends of so many malformed files."""
    for number in range(count):
        key = f"{name}/{seed}/{number}"
        yield key, read_malformed(reader, folder, key)


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


if __name__ == "__main__":
    main()
