from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from siamtrack.data.layout import find_sequences, open_dataset
from siamtrack.errors import DataError

BOX = "10,12,20,16\n"


def test_videos_and_folders_of_images_lie_side_by_side(tmp_path: Path, write_clip: Callable, write_images: Callable) -> None:
    write_clip(tmp_path / "one.mp4", frames=5)
    (tmp_path / "one.txt").write_text("".join(BOX if i != 3 else "0,0,0,0\n" for i in range(5)))
    write_images(tmp_path / "two", 11, "{}.png")
    (tmp_path / "two.txt").write_text(BOX * 11)
    write_images(tmp_path / "three", 2)
    (tmp_path / "three/groundtruth.txt").write_text(BOX * 2)
    (tmp_path / "README.txt").write_text("no labels")
    (tmp_path / "notes").mkdir()
    assert open_dataset(tmp_path).kind == "videos"
    one, three, two = find_sequences(tmp_path)
    assert one.visible.tolist() == [True, True, True, False, True]
    assert [len(list(sequence.frames())) for sequence in (one, three, two)] == [5, 2, 11]
    assert two.images[-1].name == "11.png"


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".mov", ".webm"])
def test_other_containers_are_videos_too(suffix: str, tmp_path: Path, write_clip: Callable) -> None:
    write_clip(tmp_path / "clip.mp4", frames=3).rename(tmp_path / f"clip{suffix}")
    (tmp_path / "clip.txt").write_text(BOX * 3)
    (sequence,) = find_sequences(tmp_path)
    assert len(list(sequence.frames())) == 3


def test_wanted_frames_carry_their_numbers(tmp_path: Path, write_clip: Callable, write_images: Callable) -> None:
    write_clip(tmp_path / "a.mp4", frames=6)
    write_images(tmp_path / "b", 6)
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(BOX * 6)
    for sequence in find_sequences(tmp_path):
        assert [index for index, _ in sequence.frames_at({1, 4})] == [1, 4]


@pytest.mark.parametrize(("boxes", "message"), [(4, "5 frames, 4 boxes"), (9, "5 frames, 9 boxes")])
def test_every_frame_needs_one_box(boxes: int, message: str, tmp_path: Path, write_clip: Callable) -> None:
    write_clip(tmp_path / "one.mp4", frames=5)
    (tmp_path / "one.txt").write_text(BOX * boxes)
    (sequence,) = find_sequences(tmp_path)
    with pytest.raises(DataError, match=f"one.mp4: {message}"):
        list(sequence.frames())


def test_what_is_wrong_with_one_video_is_its_own(tmp_path: Path, write_clip: Callable, write_images: Callable) -> None:
    whole = write_clip(tmp_path / "whole.avi", frames=60)
    for name, data in (("cut.avi", whole.read_bytes()[:9000]), ("empty.mp4", b""), ("text.mp4", b"not a video" * 99)):
        (tmp_path / name).write_bytes(data)
    for name in ("whole", "cut", "empty", "text"):
        (tmp_path / f"{name}.txt").write_text(BOX * 60)
    write_clip(tmp_path / "alone.mp4", frames=2)
    write_clip(tmp_path / "twin.mp4", frames=2)
    write_images(tmp_path / "twin", 2)
    (tmp_path / "twin.txt").write_text(BOX * 2)
    bad = {name: entry.reason for name, entry in open_dataset(tmp_path).check() if entry}
    assert set(bad) == {"cut", "empty", "text", "alone", "twin"}
    for name, words in (
        ("cut", "breaks off after"),
        ("empty", "is empty"),
        ("text", "cannot be opened as a video"),
        ("alone", "alone.txt not found"),
        ("twin", "twin.mp4 and twin in"),
    ):
        assert words in bad[name]
        assert "\n" not in bad[name]
    # Without decoding, a cut is not seen: what opens is taken for good.
    assert {name for name, entry in open_dataset(tmp_path).check(fast=True) if entry} == set(bad) - {"cut"}


def test_a_damaged_image_is_named(tmp_path: Path, write_images: Callable) -> None:
    paths = write_images(tmp_path / "one", 3)
    (tmp_path / "one.txt").write_text(BOX * 3)
    paths[1].write_bytes(paths[1].read_bytes()[:-50])
    assert cv2.imread(str(paths[1])) is not None  # OpenCV would take it, partly grey
    ((_, bad),) = open_dataset(tmp_path).check()
    assert bad is not None
    assert "00000002.jpg is cut off" in bad.reason
    assert [entry for _, entry in open_dataset(tmp_path).check(fast=True)] == [None]
