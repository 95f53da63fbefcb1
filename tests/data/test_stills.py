"""Stills in their three layouts."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from siamtrack.data.layout import Dataset, open_dataset
from siamtrack.data.sequence import Still, loaded
from siamtrack.errors import DataError


def stills(dataset: Dataset) -> list[Still]:
    return [part for item in dataset.items for part in loaded(item) if isinstance(part, Still)]


def bad_of(dataset: Dataset, fast: bool = False) -> dict[str, str]:
    return {name: bad.reason for name, bad in dataset.check(fast) if bad}


def write_coco(table: Path, **changes: Any) -> None:
    table.parent.mkdir(parents=True, exist_ok=True)
    data = {
        "images": [{"id": 7, "file_name": "1.jpg"}, {"id": 9, "file_name": "2.jpg"}],
        "categories": [{"id": 3, "name": "dog"}],
        "annotations": [
            {"image_id": 7, "category_id": 3, "bbox": [10, 12, 20, 16], "iscrowd": 0},
            {"image_id": 7, "category_id": 3, "bbox": [0, 0, 60, 40], "iscrowd": 1},
            {"image_id": 7, "category_id": 4, "bbox": [1, 2, 30, 30.5]},
        ],
    }
    table.write_text(json.dumps({**data, **changes}))


@pytest.mark.parametrize("images", ["train2017", "images/train2017", "images", "."])
def test_coco_boxes_are_0_based_and_crowds_left_out(images: str, tmp_path: Path, write_images: Callable) -> None:
    write_images(tmp_path / images, 2, "{}.jpg")
    write_coco(tmp_path / "annotations/instances_train2017.json")
    for root in (tmp_path, tmp_path / "annotations/instances_train2017.json"):
        dataset = open_dataset(root)
        assert (dataset.kind, dataset.stills) == ("coco", True)
        one, two = stills(dataset)
        assert one.boxes_xywh.tolist() == [[10, 12, 20, 16], [1, 2, 30, 30.5]]
        assert one.classes == ("dog", "4")
        assert one.image.shape == (48, 64, 3)
        assert two.boxes_xywh.shape == (0, 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": [{"id": 1, "file_name": "../../etc/passwd"}]}, "leads out of"),
        ({"images": [{"id": 1}]}, "not a COCO table: KeyError 'file_name'"),
        ({"annotations": 3}, "not a COCO table"),
        ({"images": []}, "none of its images found"),
        ({"images": [{"id": 1, "file_name": "x.jpg"}]}, "none of its images found; looked in"),
        ({"images": [{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "1.jpg"}]}, "names 1.jpg twice"),
    ],
)
def test_a_bad_coco_table_is_refused(changes: dict, message: str, tmp_path: Path, write_images: Callable) -> None:
    write_images(tmp_path / "train", 2, "{}.jpg")
    write_coco(tmp_path / "instances_train.json", **changes)
    with pytest.raises(DataError, match=message):
        open_dataset(tmp_path)


def test_bad_coco_images_are_named(tmp_path: Path, write_images: Callable) -> None:
    write_images(tmp_path / "train", 2, "{}.jpg")
    write_coco(
        tmp_path / "instances_train.json", annotations=[{"image_id": 7, "category_id": 3, "bbox": [1, 2, float("nan"), 4]}]
    )
    (tmp_path / "train/2.jpg").unlink()
    bad = bad_of(open_dataset(tmp_path), fast=True)
    assert "finite" in bad["1.jpg"]
    assert "2.jpg not found" in bad["2.jpg"]
    (tmp_path / "instances_train.json").write_text("{")
    with pytest.raises(DataError, match="is not JSON"):
        open_dataset(tmp_path)


def test_two_coco_tables_are_not_mixed(tmp_path: Path, write_images: Callable) -> None:
    write_images(tmp_path / "train", 2, "{}.jpg")
    write_coco(tmp_path / "instances_train.json")
    write_coco(tmp_path / "instances_val.json")
    with pytest.raises(DataError, match=r"instances_train.json, instances_val.json; give one of these files"):
        open_dataset(tmp_path)


@pytest.fixture
def voc(tmp_path: Path, write_images: Callable) -> Path:
    write_images(tmp_path / "JPEGImages", 2, "{}.jpg")
    (tmp_path / "Annotations").mkdir()
    box = "<bndbox><xmin>11</xmin><ymin>13</ymin><xmax>30</xmax><ymax>28</ymax></bndbox>"
    for name in "12":
        # The file name inside is wrong as often as not, and here leads out of the root.
        text = f"<annotation><filename>../../x.jpg</filename><object><name>cat</name>{box}</object></annotation>"
        (tmp_path / f"Annotations/{name}.xml").write_text(text)
    return tmp_path


def test_voc_boxes_become_0_based(voc: Path) -> None:
    dataset = open_dataset(voc)
    assert dataset.kind == "voc"
    one, two = stills(dataset)
    assert (one.name, one.classes, one.boxes_xywh.tolist()) == ("1", ("cat",), [[10, 12, 20, 16]])
    assert two.image.shape == (48, 64, 3)


def test_bad_voc_images_are_named(voc: Path) -> None:
    (voc / "JPEGImages/1.jpg").unlink()
    (voc / "Annotations/2.xml").write_text("<!DOCTYPE a><a/>")
    bad = bad_of(open_dataset(voc), fast=True)
    assert "1.jpg not found; 1.xml labels it" in bad["1"]
    assert "document type" in bad["2"]


def write_tar(folder: Path, images: list[Path], rows: list[str]) -> Path:
    with tarfile.open(folder / "toys.tar", "w") as archive:
        for path in images:
            archive.add(path, f"./toys/{path.name}")
    (folder / "toys.tsv").write_text("\n".join(["image\tx\ty\tw\th\tclass", *rows]) + "\n")
    return folder / "toys.tar"


def test_an_archive_is_read_in_place(tmp_path: Path, write_images: Callable) -> None:
    images = write_images(tmp_path, 3, "{}.png")
    rows = ["toys/1.png\t10\t12\t20\t16\tduck", "toys/1.png\t0.5\t1\t20\t16\tcar", "toys/2.png\t\t\t\t\t"]
    dataset = open_dataset(write_tar(tmp_path, images, rows))
    assert (dataset.kind, dataset.stills) == ("tar", True)
    one, two, three = stills(dataset)
    assert one.boxes_xywh.tolist() == [[10, 12, 20, 16], [0.5, 1, 20, 16]]
    assert one.classes == ("duck", "car")
    assert len(two.boxes_xywh) == len(three.boxes_xywh) == 0
    assert np.array_equal(three.image, stills(dataset)[2].image)
    assert not bad_of(dataset)


def test_bad_images_of_an_archive_are_named(tmp_path: Path, write_images: Callable) -> None:
    images = write_images(tmp_path, 3, "{}.png")
    images[1].write_bytes(b"no image")
    rows = ["toys/1.png\t10\ttwelve\t20\t16\tduck", "toys/4.png\t10\t12\t20\t16\tduck", "toys/3.png\t1\t2\tnan\t3\tduck"]
    bad = bad_of(open_dataset(write_tar(tmp_path, images, rows)))
    assert set(bad) == {f"toys/{i}.png" for i in range(1, 5)}
    assert "could not convert" in bad["toys/1.png"]
    assert "toys.tar: toys/2.png cannot be decoded" in bad["toys/2.png"]
    assert "finite" in bad["toys/3.png"]
    assert "not in" in bad["toys/4.png"]


def test_a_cut_archive_keeps_what_is_in_front_of_the_cut(tmp_path: Path, write_images: Callable) -> None:
    images = write_images(tmp_path, 3, "{}.png")
    rows = [f"toys/{i}.png\t10\t12\t20\t16\tduck" for i in (1, 2, 3)]
    path = write_tar(tmp_path, images, rows)
    with tarfile.open(path) as archive:
        last = archive.getmembers()[-1]
    data = path.read_bytes()
    # In a header, between two files, in an image.
    for end, images_left in ((last.offset + 100, 2), (last.offset, 2), (last.offset_data + 50, 3)):
        path.write_bytes(data[:end])
        bad = bad_of(open_dataset(path))
        assert set(bad) == {"toys.tar", "toys/3.png"}
        assert f"cut off or damaged after {images_left} images" in bad["toys.tar"]
    path.write_bytes(b"no archive" * 100)
    with pytest.raises(DataError, match="cannot be read as an uncompressed"):
        open_dataset(path)


def test_the_table_of_an_archive_is_checked(tmp_path: Path, write_images: Callable) -> None:
    path = write_tar(tmp_path, write_images(tmp_path, 1, "{}.png"), [])
    (tmp_path / "toys.tsv").write_text("image\tx\ty\n")
    with pytest.raises(DataError, match=r"toys.tsv has no column w, h, class"):
        open_dataset(path)
    (tmp_path / "toys.tsv").unlink()
    with pytest.raises(FileNotFoundError, match=r"toys.tsv not found; stills are NAME.tar beside NAME.tsv"):
        open_dataset(path)
