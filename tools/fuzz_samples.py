"""Good inputs and odd values that tools/fuzz_files.py and tools/fuzz_options.py spoil them with, and how both count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

LIMIT_S = 10.0
"""Seconds of work that a file or a run is given."""

ENDS = ("read", "refused", "done", "ran on")
"""How it is right to end."""

TEXTS = [
    *("", " ", "-", "--", "nan", "inf", "-inf", "1e400", "-1", "0", "1", "0x10", "1_000", "true", "null", "~", "[]", "{}"),
    *("a=b", "9" * 25, "9" * 400, "-" + "9" * 30, "1.5", "é", "日本", "\u202e", "\x1b[31m", "a\nb", "\udcff", "x" * 5000),
    *("../" * 40, "1,2,3,4", "0,0,0,0", "nan,1,2,3", "1e300,0,1e300,9", "-5,-5,20,20", "10x10", "auto", "cpu", "cuda:99"),
    *("torch", "*", "?"),
]
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 1.5, -0.0, 1e308, float("nan"), float("inf"), "", "x", "\ud800", "é"),
    *([], {}, [[]], [None], {"": None}, [1, 2, 3, 4], "nan", "1e400", [[[[[[1]]]]]], "a" * 3000),
]


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
    return text_file(folder / "one" / "gt" / "gt.txt", "".join(f"{i},1,{39 + 2 * i},31,24,24,1,1,1\n" for i in range(1, 7)))


def make_coco(folder: Path) -> Path:
    """A COCO table beside its images."""
    make_frames(folder / "images", 2)
    images = [{"id": i, "file_name": f"{i:08d}.jpg", "width": 128, "height": 96} for i in (1, 2)]
    labels = [{"id": i, "image_id": i, "category_id": 1, "bbox": [40, 30, 24, 24], "iscrowd": 0} for i in (1, 2)]
    data = {"images": images, "annotations": labels, "categories": [{"id": 1, "name": "square"}]}
    return text_file(folder / "instances_val.json", json.dumps(data))


def make_run(folder: Path) -> Path:
    """A run's folder, as `siamtrack track` writes it; returns its boxes.csv."""
    rows = "".join(f"{i},{i / 30:.6f},{40 + 2 * i},30,24,24,0.9,TRACKING\n" for i in range(6))
    about = {"source": "frames", "frame_wh": [128, 96], "frames": 6, "ended": "done", "fps": {"end_to_end": {"fps": 9.0}}}
    text_file(folder / "run.json", json.dumps(about))
    return text_file(folder / "boxes.csv", "frame,time_s,x,y,w,h,score,state\n" + rows)


def make_pairs(folder: Path) -> Path:
    """A CSV of pairs beside its pictures."""
    make_frames(folder, 2)
    return text_file(folder / "pairs.csv", "a,b,label\n00000001.jpg,00000002.jpg,0\n00000002.jpg,00000001.jpg,1\n")


def make_gallery(folder: Path) -> Path:
    """A gallery of two classes."""
    from siamtrack.verify.gallery import Gallery

    gallery = Gallery(4)
    gallery.add(np.eye(4, dtype=np.float32), ["a", "a", "b", "b"])
    gallery.save(folder / "gallery.safetensors")
    return folder / "gallery.safetensors"


def text_file(path: Path, text: str) -> Path:
    """A file of text in a folder that need not be there; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def tell(name: str, ends: Iterator[tuple[str, str]], total: Counter[str]) -> None:
    """Print what went wrong and how often each end came, and add that to a total.

    Args:
        name: of what was tried. ends: what was tried, and how it ended.
    """
    counts: Counter[str] = Counter()
    for what, end in ends:
        kind = end if end in ENDS else "wrong"
        counts[kind] += 1
        if kind == "wrong":
            print(f"  {what[:300]}\n    {end}", flush=True)
    total.update(counts)
    print(f"{name}: {told(counts)}", flush=True)


def told(counts: Counter[str]) -> str:
    """Counts in words."""
    return ", ".join([f"{counts.total()} tried", *(f"{counts[kind]} {kind}" for kind in (*ENDS, "wrong") if counts[kind])])
