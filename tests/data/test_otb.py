from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from siamtrack.data.otb import ATTRIBUTES, OTB_2013, OTB_2015, find, frames_between, load
from siamtrack.errors import DataError


def put(write_images: Callable, folder: Path, frames: int = 4, first: int = 1, name: str = "{:04d}.jpg") -> Path:
    write_images(folder / "img", frames, name, first)
    return folder


def test_the_lists_have_their_official_lengths() -> None:
    assert len(OTB_2013) == len(set(OTB_2013)) == 51
    assert len(OTB_2015) == len(set(OTB_2015)) == 100
    assert set(OTB_2013) < set(OTB_2015)
    assert list(OTB_2015) == sorted(OTB_2015)
    assert {name.partition("-")[0] for name in OTB_2015 if "-" in name} == {"Jogging", "Skating2", "Human4"}
    known = {"IV", "SV", "OCC", "DEF", "MB", "FM", "IPR", "OPR", "OV", "BC", "LR"}
    assert {mark for marks in ATTRIBUTES.values() for mark in marks} == known
    assert ATTRIBUTES["Tiger1"] == ("IV", "OCC", "DEF", "MB", "FM", "IPR", "OPR")


def test_names_keep_their_order_and_labels_wait(tmp_path: Path) -> None:
    assert [item.name for item in find(tmp_path, ("Woman", "Boy"))] == ["Woman", "Boy"]


@pytest.mark.parametrize("mark", [",", "\t", " ", ", ", "  "])
def test_boxes_become_0_based_whatever_parts_them(mark: str, tmp_path: Path, write_images: Callable) -> None:
    folder = put(write_images, tmp_path / "Boy", 2)
    # A line of BlurCar1 has blanks where the others have tabs.
    (folder / "groundtruth_rect.txt").write_text(mark.join(("11", "13", "20", "16")) + "\r\n12 13 20 16\r\n")
    (sequence,) = load(tmp_path, "Boy")
    assert sequence.boxes_xywh.tolist() == [[10, 12, 20, 16], [11, 12, 20, 16]]
    assert len(list(sequence.frames())) == 2


@pytest.mark.parametrize(
    ("name", "on_disk", "labels", "wanted"),
    [
        ("David", (298, 4), 2, ("0300.jpg", "0301.jpg")),
        ("Diving", (214, 4), 2, ("0214.jpg", "0215.jpg")),
        ("Football1", (73, 4), 2, ("0073.jpg", "0074.jpg")),
        ("Freeman3", (459, 4), 2, ("0459.jpg", "0460.jpg")),
        ("Freeman4", (282, 4), 2, ("0282.jpg", "0283.jpg")),
        ("BlurCar1", (246, 3), 2, ("0247.jpg", "0248.jpg")),
        ("BlurCar3", (2, 3), 2, ("0003.jpg", "0004.jpg")),
        ("BlurCar4", (17, 3), 2, ("0018.jpg", "0019.jpg")),
        ("Tiger2", (1, 2), 2, ("0001.jpg", "0002.jpg")),
    ],
)
def test_frames_are_those_of_the_benchmark(
    name: str, on_disk: tuple[int, int], labels: int, wanted: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / name / "img").mkdir(parents=True)
    for number in range(on_disk[0], sum(on_disk)):
        (tmp_path / name / "img" / f"{number:04d}.jpg").touch()
    (tmp_path / name / "groundtruth_rect.txt").write_text("1,1,20,16\n" * labels)
    (sequence,) = load(tmp_path, name)
    assert tuple(path.name for path in sequence.images) == wanted
    assert len(sequence.boxes_xywh) == labels


def test_tiger1_starts_at_its_sixth_frame(tmp_path: Path, write_images: Callable) -> None:
    folder = put(write_images, tmp_path / "Tiger1", 7)
    (folder / "groundtruth_rect.txt").write_text("".join(f"{n},1,20,16\n" for n in range(1, 8)))
    (sequence,) = load(tmp_path, "Tiger1")
    assert [path.name for path in sequence.images] == ["0006.jpg", "0007.jpg"]
    assert sequence.boxes_xywh[:, 0].tolist() == [5, 6]


@pytest.mark.parametrize("spelled", ["groundtruth_rect.{}.txt", "groundtruth_rect_{}.txt", "groundtruth_rect{}.txt"])
def test_two_targets_of_one_video(spelled: str, tmp_path: Path, write_images: Callable) -> None:
    folder = put(write_images, tmp_path / "Jogging", 2)
    for target in (1, 2):
        (folder / spelled.format(target)).write_text(f"{target}1,13,20,16\n" * 2)
    (folder / "groundtruth_rect.txt").write_text("91,13,20,16\n" * 2)
    found = [load(tmp_path, name)[0] for name in ("Jogging-1", "Jogging-2")]
    assert [(sequence.name, sequence.boxes_xywh[0, 0]) for sequence in found] == [("Jogging-1", 10), ("Jogging-2", 20)]
    assert found[0].images == found[1].images


def test_a_folder_of_its_own_for_a_target(tmp_path: Path, write_images: Callable) -> None:
    (put(write_images, tmp_path / "Skating2-2", 2) / "groundtruth_rect.txt").write_text("11,13,20,16\n" * 2)
    (sequence,) = load(tmp_path, "Skating2-2")
    assert len(sequence.images) == len(sequence.boxes_xywh) == 2
    with pytest.raises(DataError, match=r"Skating2 not found; OTB has a sequence Skating2-1"):
        load(tmp_path, "Skating2-1")


def test_the_labels_of_a_target_must_say_whose_they_are(tmp_path: Path, write_images: Callable) -> None:
    (put(write_images, tmp_path / "Human4", 2) / "groundtruth_rect.txt").write_text("11,13,20,16\n" * 2)
    with pytest.raises(DataError, match=r"groundtruth_rect.2.txt not found; target 2 of Human4"):
        load(tmp_path, "Human4-2")


def test_missing_and_broken_labels_are_named(tmp_path: Path, write_images: Callable) -> None:
    folder = put(write_images, tmp_path / "Boy", 2)
    with pytest.raises(DataError, match=r"Boy/groundtruth_rect.txt not found"):
        load(tmp_path, "Boy")
    (folder / "groundtruth_rect.txt").write_text("1,1,20,16\n1,1,20\n")
    with pytest.raises(DataError, match=r"groundtruth_rect.txt, line 2: '1,1,20'"):
        load(tmp_path, "Boy")


def test_frames_between_goes_by_numbers(tmp_path: Path) -> None:
    for name in ("2.jpg", "10.jpg", "0001.png", "thumb.jpg"):
        (tmp_path / name).touch()
    assert [path.name for path in frames_between(tmp_path, 1)] == ["0001.png", "2.jpg", "10.jpg"]
    assert [path.name for path in frames_between(tmp_path, 2, 10)] == ["2.jpg", "10.jpg"]
    assert frames_between(tmp_path / "none", 1) == ()
