"""A small data set in both layouts, and its crops."""

from __future__ import annotations

import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from rendered import rendered_frame

from siamtrack.train.crops import CropStore
from siamtrack.train.prepare import open_store

ABSENT = 2


@pytest.fixture(scope="session")
def got10k_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four sequences of six frames in the GOT-10k layout; in each the target is absent in frame 2."""
    root = tmp_path_factory.mktemp("got10k")
    names = [f"GOT-10k_Train_{i:06d}" for i in range(1, 5)]
    for k, name in enumerate(names):
        folder = root / name
        folder.mkdir()
        lines = []
        for i in range(6):
            frame, box = rendered_frame(8 * k + i)
            # Each sequence has colours of its own: four targets, not one.
            cv2.imwrite(str(folder / f"{i + 1:08d}.jpg"), np.roll(frame, k, axis=2) if k < 3 else 255 - frame)
            lines.append(",".join(f"{value:.4f}" for value in box))
        (folder / "groundtruth.txt").write_text("\n".join(lines) + "\n")
        (folder / "absence.label").write_text("".join(f"{int(i == ABSENT)}\n" for i in range(6)))
    (root / "list.txt").write_text("\n".join(names) + "\n")
    return root


@pytest.fixture(scope="session")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images in a tar: two boxes on the first, one on the second, none on the third."""
    folder = tmp_path_factory.mktemp("stills")
    rows = ["image\tx\ty\tw\th\tclass"]
    with tarfile.open(folder / "toys.tar", "w") as archive:
        for i, boxes in enumerate([[(60, 80, 40, 50), (10, 10, 30, 30)], [(75, 90, 40, 50)], []]):
            path = folder / f"{i}.png"
            cv2.imwrite(str(path), rendered_frame(i)[0])
            archive.add(path, f"toys/{i}.png")
            rows += [f"toys/{i}.png\t{x}\t{y}\t{w}\t{h}\tduck" for x, y, w, h in boxes] or [f"toys/{i}.png\t\t\t\t\t"]
    (folder / "toys.tsv").write_text("\n".join(rows) + "\n")
    return folder / "toys.tar"


@pytest.fixture(scope="session")
def stores(got10k_root: Path, stills: Path, tmp_path_factory: pytest.TempPathFactory) -> list[CropStore]:
    cache = tmp_path_factory.mktemp("crops")
    return [open_store(got10k_root, cache), open_store(stills, cache)]
