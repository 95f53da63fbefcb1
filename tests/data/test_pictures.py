from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from siamtrack.data.pictures import Picture, list_pictures
from siamtrack.errors import DataError


def test_a_cut_image_is_refused_and_named(write_images: Callable, tmp_path: Path) -> None:
    (path,) = write_images(tmp_path, 1, "{}.JPEG")
    assert Picture(path).read().shape == (48, 64, 3)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(DataError, match=r"1.JPEG is cut off"):
        Picture(path).read()


def test_a_thumbnail_in_the_header_does_not_hide_a_cut(write_images: Callable, tmp_path: Path) -> None:
    (path,) = write_images(tmp_path, 1)
    data = path.read_bytes()
    thumbnail = b"\xff\xe1" + (len(data) + 2).to_bytes(2, "big") + data
    whole = data[:2] + thumbnail + data[2:]
    path.write_bytes(whole + b"\0\0")  # some cameras fill up behind the end
    assert Picture(path).read().shape == (48, 64, 3)
    path.write_bytes(whole[:-40])
    with pytest.raises(DataError, match="is cut off"):
        Picture(path).read()


def test_a_stretch_of_a_file_is_an_image(write_images: Callable, tmp_path: Path) -> None:
    (path,) = write_images(tmp_path, 1, "{}.png")
    data = path.read_bytes()
    packed = tmp_path / "pack"
    packed.write_bytes(b"x" * 7 + data + b"y")
    assert np.array_equal(Picture(packed, 7, len(data)).read(), cv2.imread(str(path)))
    with pytest.raises(DataError, match="duck is cut off"):
        Picture(packed, 8, len(data) + 9, "duck").read()
    with pytest.raises(DataError, match=r"none.png not found"):
        Picture(tmp_path / "none.png").read()


def test_images_are_in_the_order_of_their_numbers(write_images: Callable, tmp_path: Path) -> None:
    write_images(tmp_path, 12, "{}.jpg", 0)
    (tmp_path / "._3.jpg").write_bytes(b"left by macOS")
    (tmp_path / "notes.txt").write_text("no image")
    assert [path.stem for path in list_pictures(tmp_path)] == [str(i) for i in range(12)]
    assert list_pictures(tmp_path / "none") == ()
