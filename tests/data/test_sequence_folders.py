"""Sequences in folders: GOT-10k, LaSOT, TrackingNet, and a folder of videos."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from siamtrack.data.layout import find_sequences, open_dataset
from siamtrack.data.sequence import Sequence, loaded
from siamtrack.data.sequence_folders import MIN_COVER
from siamtrack.errors import DataError


@pytest.fixture
def got10k(tmp_path: Path, write_images: Callable) -> Path:
    for name in ("b", "a"):
        write_images(tmp_path / name, 4)
        (tmp_path / name / "groundtruth.txt").write_text("10,12,20,16\n" * 4)
    (tmp_path / "list.txt").write_text("b\na\n")
    return tmp_path


def only_got10k(got10k: Path) -> Sequence:
    (part,) = loaded(open_dataset(got10k).items[0])
    assert isinstance(part, Sequence)
    return part


def test_sequences_are_sorted_and_boxes_stay_0_based(got10k: Path) -> None:
    assert open_dataset(got10k).kind == "got10k"
    assert [sequence.name for sequence in find_sequences(got10k)] == ["a", "b"]
    sequence = only_got10k(got10k)
    assert sequence.boxes_xywh.tolist() == [[10, 12, 20, 16]] * 4
    assert [frame.shape for frame in sequence.frames()] == [(48, 64, 3)] * 4


def test_a_missing_list_means_all_folders(got10k: Path, write_images: Callable) -> None:
    (got10k / "list.txt").write_text("a\n")
    assert [item.name for item in open_dataset(got10k).items] == ["a"]
    (got10k / "list.txt").unlink()
    write_images(got10k / "unlabelled", 1)
    (got10k / ".cache").mkdir()
    (got10k / "docs").mkdir()
    # Images without boxes are no reason to be silent: the folder is an item, and bad.
    assert [item.name for item in open_dataset(got10k).items] == ["a", "b", "unlabelled"]
    with pytest.raises(DataError, match=r"unlabelled/groundtruth.txt not found"):
        find_sequences(got10k)


def test_absent_and_covered_frames_have_no_box(got10k: Path) -> None:
    (got10k / "a/absence.label").write_text("0\n1\n0\n0\n")
    (got10k / "a/cover.label").write_text(f"8\n8\n{MIN_COVER - 1}\n{MIN_COVER}\n")
    assert only_got10k(got10k).visible.tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("absence.label", "0\n", "1 flags, 4 boxes"),
        ("absence.label", "0\n0\n0\nyes\n", "whole numbers"),
        ("cover.label", "8\n8\n8\n9\n", "numbers are 0 to 8, found 8 to 9"),
        ("cover.label", "8\n", "1 flags, 4 boxes"),
        ("groundtruth.txt", "1,2,30,40\n" * 3 + "1,2,x,4\n", "line 4: '1,2,x,4' is not x,y,w,h"),
        ("groundtruth.txt", "0,0,0,0\n" * 4, "no frame has a box"),
    ],
)
def test_bad_labels_name_their_file(name: str, text: str, message: str, got10k: Path) -> None:
    (got10k / "a" / name).write_text(text)
    with pytest.raises(DataError, match=message):
        only_got10k(got10k)


@pytest.mark.parametrize(("boxes", "message"), [(3, "4 frames, 3 boxes"), (9, "4 frames, 9 boxes")])
def test_got10k_every_frame_needs_one_box(boxes: int, message: str, got10k: Path) -> None:
    (got10k / "a/groundtruth.txt").write_text("10,12,20,16\n" * boxes)
    with pytest.raises(DataError, match=message):
        list(only_got10k(got10k).frames())


def test_a_list_is_checked(got10k: Path) -> None:
    (got10k / "list.txt").write_text("\n\n")
    with pytest.raises(DataError, match=r"list.txt is empty"):
        open_dataset(got10k)
    (got10k / "list.txt").write_text("a\n../../etc\n")
    with pytest.raises(DataError, match=r"list.txt: the name '../../etc' leads out of"):
        open_dataset(got10k)
    (got10k / "list.txt").write_text("a\na\nnone\n")
    dataset = open_dataset(got10k)
    assert [item.name for item in dataset.items] == ["a", "none"]
    with pytest.raises(DataError, match=r"none not found; list.txt names it"):
        loaded(dataset.items[1])


@pytest.fixture
def lasot(tmp_path: Path, write_images: Callable) -> Path:
    for name in ("cat/cat-1", "cat/cat-12", "dog/dog-3"):
        folder = tmp_path / name
        write_images(folder / "img", 3)
        (folder / "groundtruth.txt").write_text("11,13,20,16\n" * 3)
        (folder / "full_occlusion.txt").write_text("0,1,0")
        (folder / "out_of_view.txt").write_text("0,0,1\n")
    return tmp_path


def test_sequences_are_0_based_and_hidden_frames_have_no_box(lasot: Path) -> None:
    assert open_dataset(lasot).kind == "lasot"
    sequences = find_sequences(lasot)
    assert [sequence.name for sequence in sequences] == ["cat-1", "cat-12", "dog-3"]
    assert sequences[0].boxes_xywh.tolist() == [[10, 12, 20, 16], [0] * 4, [0] * 4]
    assert len(list(sequences[0].frames())) == 3


def test_lasot_one_class_is_a_data_set_too(lasot: Path) -> None:
    assert [item.name for item in open_dataset(lasot / "cat").items] == ["cat-1", "cat-12"]


def test_flags_must_be_there_and_fit(lasot: Path) -> None:
    (lasot / "cat/cat-1/full_occlusion.txt").write_text("0,1")
    with pytest.raises(DataError, match=r"cat-1/full_occlusion.txt: 2 flags, 3 boxes"):
        find_sequences(lasot)
    (lasot / "cat/cat-1/full_occlusion.txt").unlink()
    with pytest.raises(DataError, match=r"full_occlusion.txt not found"):
        find_sequences(lasot)


@pytest.fixture
def trackingnet(tmp_path: Path, write_images: Callable) -> Path:
    for chunk in ("TRAIN_0", "TRAIN_10"):
        write_images(tmp_path / chunk / "frames/vid_1", 11, "{}.jpg", 0)
        (tmp_path / chunk / "anno").mkdir()
        (tmp_path / chunk / "anno/vid_1.txt").write_text("10,12,20,16\n" * 11)
    return tmp_path


def test_frames_are_in_the_order_of_their_numbers(trackingnet: Path) -> None:
    assert open_dataset(trackingnet).kind == "trackingnet"
    sequences = find_sequences(trackingnet)
    assert [sequence.name for sequence in sequences] == ["TRAIN_0/vid_1", "TRAIN_10/vid_1"]
    assert [path.stem for path in sequences[0].images] == [str(i) for i in range(11)]
    assert sequences[0].boxes_xywh[0].tolist() == [10, 12, 20, 16]


def test_one_chunk_is_a_data_set_too(trackingnet: Path) -> None:
    (sequence,) = find_sequences(trackingnet / "TRAIN_0")
    assert isinstance(sequence, Sequence)
    assert sequence.name == "vid_1"


def test_frames_or_boxes_that_are_missing_are_named(trackingnet: Path, write_images: Callable) -> None:
    shutil.rmtree(trackingnet / "TRAIN_0/frames/vid_1")
    with pytest.raises(DataError, match=r"frames/vid_1 not found; its boxes are there"):
        find_sequences(trackingnet)
    write_images(trackingnet / "TRAIN_0/frames/vid_1", 1)
    (trackingnet / "TRAIN_0/anno/vid_1.txt").unlink()
    with pytest.raises(DataError, match=r"anno/vid_1.txt not found"):
        find_sequences(trackingnet)


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


def test_images_of_16_bits_have_one_range_in_a_sequence(tmp_path: Path) -> None:
    levels = [900, 500, 4000]
    for i, level in enumerate(levels):
        (tmp_path / "a").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"a/{i}.png"), np.full((48, 64), level, np.uint16))
    (tmp_path / "a.txt").write_text(BOX * 3)
    (sequence,) = find_sequences(tmp_path)
    assert [int(image[0, 0, 0]) for image in sequence.frames()] == [900 >> 2, 500 >> 2, 255]
    assert [int(image[0, 0, 0]) for _, image in sequence.frames_at({1})] == [500 >> 2]  # the first says the range all the same


def test_a_damaged_image_is_named(tmp_path: Path, write_images: Callable) -> None:
    paths = write_images(tmp_path / "one", 3)
    (tmp_path / "one.txt").write_text(BOX * 3)
    paths[1].write_bytes(paths[1].read_bytes()[:-50])
    assert cv2.imread(str(paths[1])) is not None  # OpenCV would take it, partly grey
    ((_, bad),) = open_dataset(tmp_path).check()
    assert bad is not None
    assert "00000002.jpg is cut off" in bad.reason
    assert [entry for _, entry in open_dataset(tmp_path).check(fast=True)] == [None]
