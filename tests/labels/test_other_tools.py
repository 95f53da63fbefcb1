"""Exported labels in the hands of the programs that they are for: the same boxes, frames, ids and labels."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import pytest
from pycocotools.coco import COCO
from trackeval.datasets import MotChallenge2DBox

from siamtrack.labels import LabelOptions, export, load_tracks

Rows = list[tuple[int, int, str, float, float, float, float]]
"""Frame, id, label and box, both from 0 but for the id."""


@pytest.fixture(scope="module")
def labels(write_run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rows]:
    """Two targets of a clip in all forms, and their boxes."""
    root = tmp_path_factory.mktemp("labels")
    rows = [(1 + frame, (10.5 + 3 * frame, 200.25, 20.125, 30.0), 0.7, "TRACKING") for frame in range(6)]
    for name, given in (("car", None), ("dog", rows)):
        write_run(root / "runs" / "clip" / name, *([given] if given else []))
    results = load_tracks(root / "runs")
    for form in ("mot", "cvat", "coco", "yolo", "labelme-xml", "labelstudio"):
        export(results, form, root / form, LabelOptions(label="a {target}"))
    expected: Rows = []
    for number, track in enumerate(results.videos[0].tracks, 1):
        track = track.take(track.states != "LOST")
        for frame, box in zip(track.frames.tolist(), track.boxes_xywh.tolist(), strict=True):
            expected.append((frame, number, f"a {track.target}", *box))
    return root, expected


def same(found: list[Any], expected: Rows, off_px: float = 0.0) -> None:
    """That two lists hold the same; `off_px` is how far found boxes lie to the right and below."""
    assert len(found) == len(expected)
    for one, other in zip(sorted(found), sorted(expected), strict=True):
        assert tuple(one[:3]) == other[:3]
        # Datumaro keeps two decimals of corners.
        np.testing.assert_allclose(np.subtract(one[3:], [off_px, off_px, 0, 0]), other[3:], atol=0.011)


def test_pycocotools_reads_and_draws_coco(labels: tuple[Path, Rows]) -> None:
    root, expected = labels
    matplotlib.use("Agg")
    coco = COCO(str(root / "coco" / "clip.json"))
    found = []
    for note in coco.loadAnns(coco.getAnnIds()):
        image, category = coco.imgs[note["image_id"]], coco.cats[note["category_id"]]
        found.append((image["frame_index"], note["track_id"], category["name"], *note["bbox"]))
    same(found, expected)
    coco.showAnns(coco.loadAnns(coco.getAnnIds(1)), draw_bbox=True)
    # As detections, scored against themselves.
    assert len(coco.loadRes(coco.dataset["annotations"]).anns) == len(expected)


def test_trackeval_reads_mot(labels: tuple[Path, Rows], tmp_path: Path) -> None:
    root, expected = labels
    mot = (root / "mot" / "clip.txt").read_text()
    (tmp_path / "trackers/siamtrack/data").mkdir(parents=True)
    (tmp_path / "trackers/siamtrack/data/clip.txt").write_text(mot)
    (tmp_path / "gt/clip/gt").mkdir(parents=True)
    truth = [line.split(",") for line in mot.splitlines()]
    (tmp_path / "gt/clip/gt/gt.txt").write_text("".join(",".join([*row[:6], "1", *row[7:]]) + "\n" for row in truth))
    data = MotChallenge2DBox(
        {
            "GT_FOLDER": str(tmp_path / "gt"),
            "TRACKERS_FOLDER": str(tmp_path / "trackers"),
            "SKIP_SPLIT_FOL": True,
            "SEQ_INFO": {"clip": 7},
            "PRINT_CONFIG": False,
        }
    ).get_raw_seq_data("siamtrack", "clip")
    found = []
    names = (root / "mot" / "clip.labels").read_text().splitlines()
    for frame, ids in enumerate(data["tracker_ids"]):
        rows = zip(ids.tolist(), data["tracker_classes"][frame].tolist(), data["tracker_dets"][frame].tolist(), strict=True)
        found += [(frame, number, names[label - 1], *box) for number, label, box in rows]
        # Every box is the truth's own, which counts.
        np.testing.assert_allclose(np.diag(data["similarity_scores"][frame]), 1)
        assert data["gt_extras"][frame]["zero_marked"].all()
    same(found, expected, off_px=1)


@pytest.mark.skipif(
    "PEERS_PY" not in os.environ,
    reason="Datumaro 1.13 wants opencv-python-headless, pandas 2 and pillow 12, which are not those of constraints.txt: "
    "PEERS_PY names a Python that has it and label-studio-sdk",
)
def test_datumaro_and_label_studio_read_the_others(labels: tuple[Path, Rows], tmp_path: Path) -> None:
    root, expected = labels
    places = {
        "mot/gt/gt.txt": "mot/clip.txt",
        "mot/gt/labels.txt": "mot/clip.labels",
        "cvat/clip.xml": "cvat/clip.xml",
        "coco/annotations/instances_clip.json": "coco/clip.json",
        "yolo/data.yaml": "yolo/data.yaml",
        "task.json": "labelstudio/clip.labelstudio.json",
        **{f"labelme/{path.name}": str(path.relative_to(root)) for path in root.glob("labelme-xml/clip/*")},
        **{f"yolo/{path.relative_to(root / 'yolo')}": str(path.relative_to(root)) for path in root.glob("yolo/labels/*/*")},
    }
    for place, file in places.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes((root / file).read_bytes())
    for folder in ("yolo/images/clip", "coco/images"):
        (tmp_path / folder).mkdir(parents=True)
    for path in root.glob("yolo/labels/*/*"):  # it wants the images' size
        image = tmp_path / "yolo/images/clip" / f"{path.stem}.jpg"
        cv2.imwrite(str(image), np.zeros((240, 320, 3), np.uint8))
    script = Path(__file__).with_name("peers.py")
    done = subprocess.run([os.environ["PEERS_PY"], script, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    read = json.loads(done.stdout.splitlines()[-1])
    same(read["mot"], [(row[0] + 1, *row[1:]) for row in expected], off_px=1)
    same([(row[0], row[1] + 1, *row[2:]) for row in read["cvat"]], expected)
    same(read["labelme"], expected)
    # These forms have no ids, or none that Datumaro reads.
    numbers = {label: number for _, number, label, *_ in expected}
    for form in ("coco", "yolo"):
        same([(row[0], numbers[row[2]], *row[2:]) for row in read[form]], expected)
    size = np.array([320, 240, 320, 240])
    same([(row[0] - 1, int(row[1][7:]), row[2], *np.multiply(row[3:], size) / 100) for row in read["labelstudio"]], expected)
