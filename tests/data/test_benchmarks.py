from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from siamtrack.data import benchmark_readers, otb
from siamtrack.data.benchmark_check import CheckReport, check_benchmark
from siamtrack.data.benchmarks import BENCHMARKS, open_benchmark
from siamtrack.data.sequence import Bad
from siamtrack.errors import DataError

BOX = "10,12,20,16\n"


@pytest.fixture
def got10k(tmp_path: Path, write_images: Callable) -> Path:
    """val/ with b and a, test/ with t; four frames each."""
    root = tmp_path / "GOT-10k"
    for name, lines in (("val/b", 4), ("val/a", 4), ("test/t", 1)):
        write_images(root / name, 4)
        (root / name / "groundtruth.txt").write_text(BOX * lines)
    (root / "val/list.txt").write_text("b\na\n")
    (root / "test/list.txt").write_text("t\n")
    return root


def checked(name: str, root: Path, subset: str | None = None, thorough: bool = False) -> tuple[list[Bad], CheckReport]:
    report = CheckReport()
    return list(check_benchmark(name, root, subset, thorough, report)), report


def test_the_table() -> None:
    assert set(BENCHMARKS) == {
        *("got10k", "otb2013", "otb2015", "uav123", "uav20l", "dtb70", "nfs30", "nfs240"),
        *("tcolor128", "lasot", "trackingnet", "folder"),
    }
    assert {entry.protocol for entry in BENCHMARKS.values()} == {"got10k", "otb"}
    assert [name for name, entry in BENCHMARKS.items() if entry.hidden] == ["got10k", "trackingnet"]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_missing_root_says_what_is_expected(name: str, tmp_path: Path) -> None:
    for function in (open_benchmark, check_benchmark):
        with pytest.raises(FileNotFoundError, match=r"none not found; expected there: .+"):
            function(name, tmp_path / "none")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_an_empty_root_is_an_error_and_a_finding(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        open_benchmark(name, tmp_path)
    findings, report = checked(name, tmp_path)
    assert len(findings) == report.findings > 0
    assert report.frames == 0


def test_unknown_names_are_said(got10k: Path) -> None:
    with pytest.raises(DataError, match="unknown benchmark 'got-10k'; did you mean 'got10k'"):
        open_benchmark("got-10k", got10k)
    with pytest.raises(DataError, match="GOT-10k has no subset 'train'; known: val, test"):
        open_benchmark("got10k", got10k, "train")
    with pytest.raises(DataError, match=r"list.txt is a file; a folder is wanted"):
        open_benchmark("got10k", got10k / "val/list.txt")


def test_got10k_val_keeps_the_order_and_every_box(got10k: Path) -> None:
    (got10k / "val/a/absence.label").write_text("0\n0\n1\n0\n")
    (got10k / "val/a/cover.label").write_text("8\n1\n0\n8\n")
    benchmark = open_benchmark("got10k", got10k)
    assert (benchmark.name, benchmark.subset, benchmark.protocol, benchmark.hidden) == ("GOT-10k", "val", "got10k", False)
    assert [sequence.name for sequence in benchmark.sequences] == ["b", "a"]
    assert benchmark.sequences[1].boxes_xywh.tolist() == [[10, 12, 20, 16]] * 4
    assert {name: cover.tolist() for name, cover in benchmark.cover.items()} == {"a": [8, 1, 0, 8]}
    assert benchmark.cover["a"].dtype == np.float64
    assert benchmark.attributes == {}


def test_got10k_test_knows_the_first_box(got10k: Path) -> None:
    benchmark = open_benchmark("got10k", got10k, "test")
    assert benchmark.hidden
    assert benchmark.cover == {}
    assert benchmark.sequences[0].boxes_xywh.tolist() == [[10, 12, 20, 16]] + [[0] * 4] * 3
    (got10k / "test/t/groundtruth.txt").write_text(BOX * 4)
    with pytest.raises(DataError, match=r"t/groundtruth.txt holds 4 boxes; one is wanted"):
        open_benchmark("got10k", got10k, "test")


def test_the_folder_of_a_subset_will_do(got10k: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_benchmark("got10k", got10k / "val").subset == "val"
    assert open_benchmark("got10k", got10k / "test").subset == "test"
    with pytest.raises(DataError, match=r"test is not GOT-10k's val"):
        open_benchmark("got10k", got10k / "test", "val")
    monkeypatch.chdir(got10k / "test")
    assert open_benchmark("got10k", ".").hidden
    assert open_benchmark("got10k", (got10k / "val").rename(got10k / "mine"), "val").subset == "val"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("groundtruth.txt", BOX * 3, "4 frames, 3 labels; every frame needs one label"),
        ("groundtruth.txt", BOX * 5, "4 frames, 5 labels; every frame needs one label"),
        ("groundtruth.txt", BOX + "1,2,x,4\n" + BOX * 2, r"groundtruth.txt, line 2: '1,2,x,4'"),
        ("groundtruth.txt", "0,0,0,0\n" + BOX * 3, "the first box is absent or has no area"),
        ("cover.label", "8\n8\n", "2 flags, 4 boxes"),
        ("cover.label", "8\n8\n9\n8\n", "numbers are 0 to 8, found 8 to 9"),
    ],
)
def test_a_bad_sequence_is_named_with_its_reason(name: str, text: str, message: str, got10k: Path) -> None:
    (got10k / "val/a" / name).write_text(text)
    with pytest.raises(DataError, match=f"GOT-10k val in .*: 1 of 2 sequences cannot be used: a: .*{message}"):
        open_benchmark("got10k", got10k)
    ((sequence, reason),), report = checked("got10k", got10k)
    assert sequence == "a"
    assert message.removeprefix("groundtruth.txt") in reason
    assert (report.sequences, report.frames, report.bad, report.findings) == (2, 4, 1, 1)


def test_a_list_that_does_not_fit_its_folders(got10k: Path, write_images: Callable) -> None:
    write_images(got10k / "val/stray", 1)
    (got10k / "val/list.txt").write_text("b\na\ngone\n")
    findings, report = checked("got10k", got10k)
    assert [finding.name for finding in findings] == ["stray", "gone"]
    assert "is not in list.txt" in findings[0].reason
    assert "gone not found; list.txt names it" in findings[1].reason
    assert str(report) == "3 sequences, 8 frames; 1 bad sequences, 2 findings"
    (got10k / "val/list.txt").unlink()
    findings, _ = checked("got10k", got10k)
    assert [finding.name for finding in findings] == ["list.txt", "stray"]
    assert "groundtruth.txt not found" in findings[1].reason
    with pytest.raises(DataError, match=r"val/list.txt not found; it says which sequences count"):
        open_benchmark("got10k", got10k)
    (got10k / "val/list.txt").write_text("../../etc\n")
    ((sequence, reason),), _ = checked("got10k", got10k)
    assert sequence == "GOT-10k"
    assert "leads out of" in reason


def test_damaged_images_are_found(got10k: Path) -> None:
    assert checked("got10k", got10k, thorough=True) == ([], CheckReport(2, 8, 0, 0))
    second, last = got10k / "val/a/00000002.jpg", got10k / "val/b/00000004.jpg"
    second.write_bytes(second.read_bytes()[:-40])
    findings, _ = checked("got10k", got10k)
    assert findings == []  # a frame in the middle, which only decoding tells
    ((sequence, reason),), _ = checked("got10k", got10k, thorough=True)
    assert sequence == "a"
    assert "00000002.jpg is cut off after" in reason
    second.write_bytes(b"")
    last.write_bytes(last.read_bytes()[:-40])
    (b, a), report = checked("got10k", got10k)
    assert (b.name, a.name, report.bad) == ("b", "a", 2)
    assert "00000004.jpg is cut off" in b.reason
    assert "00000002.jpg is empty" in a.reason
    (got10k / "val/a/00000003.jpg").write_bytes(b"")
    assert "(and 1 more)" in checked("got10k", got10k)[0][1].reason


def test_a_sequence_without_frames(got10k: Path) -> None:
    for path in (got10k / "val/a").glob("*.jpg"):
        path.unlink()
    ((sequence, reason),), _ = checked("got10k", got10k)
    assert sequence == "a"
    assert "holds no frames; images are wanted there" in reason
    with pytest.raises(DataError, match=r"1 of 2 sequences cannot be used: a: .*a holds no frames"):
        open_benchmark("got10k", got10k)


def test_of_a_part_of_otb_single_sequences_can_be_asked_for(tmp_path: Path, write_images: Callable) -> None:
    write_images(tmp_path / "Deer/img", 4)
    (tmp_path / "Deer/groundtruth_rect.txt").write_text("11,13,20,16\n" * 4)
    with pytest.raises(DataError, match=r"99 of 100 sequences cannot be used: Basketball: .*Basketball not found"):
        open_benchmark("otb2015", tmp_path)
    with pytest.raises(DataError, match="no sequence 'Dear'; did you mean 'Deer'"):
        open_benchmark("otb2015", tmp_path, only=["Deer", "Dear"])
    with pytest.raises(DataError, match=r"1 of 100 sequences cannot be used: Dog: .*Dog not found"):
        open_benchmark("otb2015", tmp_path, only=["Deer", "Dog"])
    assert [sequence.name for sequence in open_benchmark("otb2015", tmp_path, only=["Deer"]).sequences] == ["Deer"]


def test_otb_has_attributes_and_must_be_complete(
    tmp_path: Path, write_images: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    (image,) = write_images(tmp_path / "source", 1)
    for name in otb.OTB_2013:
        base, _, target = name.partition("-")
        (tmp_path / base / "img").mkdir(parents=True, exist_ok=True)
        first = otb._LABELLED.get(name, (1, 0))[0]
        count = 1 + otb._OMITTED.get(name, 0)
        for number in range(first, first + count):
            shutil.copy(image, tmp_path / base / "img" / f"{number:04d}.jpg")
        labels = f"groundtruth_rect.{target}.txt" if target else "groundtruth_rect.txt"
        (tmp_path / base / labels).write_text("11,13,20,16\n" * count)
    benchmark = open_benchmark("otb2013", tmp_path)
    assert (benchmark.name, benchmark.subset, benchmark.protocol) == ("OTB-2013", "all", "otb")
    assert tuple(sequence.name for sequence in benchmark.sequences) == otb.OTB_2013
    assert benchmark.attributes["Jogging-2"] == ("OCC", "DEF", "OPR")
    assert len(benchmark.attributes) == 51
    assert {tuple(sequence.boxes_xywh[0]) for sequence in benchmark.sequences} == {(10, 12, 20, 16)}
    assert checked("otb2013", tmp_path) == ([], CheckReport(51, 51, 0, 0))
    with pytest.raises(DataError, match=r"49 of 100 sequences cannot be used: Biker: .*; and so on\. Expected there: NAME/img"):
        open_benchmark("otb2015", tmp_path)
    assert checked("otb2015", tmp_path)[1].bad == 49


def test_uav_sequences(tmp_path: Path, write_images: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"folder_name": "bike1", "start_frame": 2, "end_frame": 3}
    monkeypatch.setattr(
        benchmark_readers, "read_toolkit_table", lambda name: {"UAV123": {"bike1": row}, "UAV20L": {"bike1": row}}
    )
    write_images(tmp_path / "data_seq/UAV123/bike1", 4, "{:06d}.jpg")
    for x, version, title in ((11, "uav123", "UAV123"), (21, "uav20l", "UAV20L")):
        (tmp_path / "anno" / title).mkdir(parents=True)
        (tmp_path / "anno" / title / "bike1.txt").write_text(f"{x},13,20,16\nNaN,NaN,NaN,NaN\n")
        benchmark = open_benchmark(version, tmp_path)
        assert (benchmark.name, benchmark.sequences[0].name) == (title, "bike1")
        assert benchmark.sequences[0].boxes_xywh.tolist() == [[x - 1, 12, 20, 16], [0] * 4]
        assert [path.stem for path in benchmark.sequences[0].images] == ["000002", "000003"]


def test_sequences_without_an_official_list_are_counted(tmp_path: Path, write_images: Callable) -> None:
    write_images(tmp_path / "dtb/BMX2/img", 2)
    (tmp_path / "dtb/BMX2/groundtruth_rect.txt").write_text("11,13,20,16\n" * 2)
    write_images(tmp_path / "nfs/bee/30/bee", 2)
    (tmp_path / "nfs/bee/30/bee.txt").write_text('0 10 12 30 28 1 0 0 0 "insect"\n' * 16)
    write_images(tmp_path / "tc/Boat/img", 3, "{:04d}.jpg")
    (tmp_path / "tc/Boat/Boat_gt.txt").write_text("11,13,20,16\n" * 2)
    (tmp_path / "tc/Boat/Boat_frames.txt").write_text("2,3\n")
    for name, folder, count in (("dtb70", "dtb", 70), ("nfs30", "nfs", 100), ("tcolor128", "tc", 128)):
        benchmark = open_benchmark(name, tmp_path / folder)
        assert benchmark.sequences[0].boxes_xywh.tolist() == [[10, 12, 20, 16]] * 2
        ((sequence, reason),), report = checked(name, tmp_path / folder)
        assert sequence == benchmark.name
        assert f"1 sequences found, {count} expected" in reason
        assert (report.sequences, report.bad) == (1, 0)
    with pytest.raises(DataError, match=r"bee/240/bee.txt not found"):
        open_benchmark("nfs240", tmp_path / "nfs")


def test_lasot_takes_its_test_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(benchmark_readers.read_toolkit_table("lasot.json")["test"]) == 280
    monkeypatch.setattr(benchmark_readers, "read_toolkit_table", lambda name: {"train": ["cat-2"], "test": ["cat-1", "dog-3"]})
    for name in ("cat/cat-1", "cat/cat-2", "dog-3"):
        (tmp_path / name / "img").mkdir(parents=True)
        for number in (1, 2):
            (tmp_path / name / "img" / f"{number:08d}.jpg").touch()
        (tmp_path / name / "groundtruth.txt").write_text("11,13,20,16\n" * 2)
        for flags in ("full_occlusion.txt", "out_of_view.txt"):
            (tmp_path / name / flags).write_text("0,1")
    benchmark = open_benchmark("lasot", tmp_path)
    assert [sequence.name for sequence in benchmark.sequences] == ["cat-1", "dog-3"]
    assert benchmark.sequences[0].boxes_xywh.tolist() == [[10, 12, 20, 16], [0] * 4]
    shutil.rmtree(tmp_path / "dog-3")
    with pytest.raises(DataError, match=r"1 of 2 sequences cannot be used: dog-3: .*dog/dog-3 not found"):
        open_benchmark("lasot", tmp_path)


def test_trackingnet_knows_the_first_box(tmp_path: Path) -> None:
    (tmp_path / "TEST/anno").mkdir(parents=True)
    (tmp_path / "TEST/frames/vid_1").mkdir(parents=True)
    for number in range(11):
        (tmp_path / "TEST/frames/vid_1" / f"{number}.jpg").touch()
    (tmp_path / "TEST/anno/vid_1.txt").write_text(BOX)
    for root in (tmp_path, tmp_path / "TEST"):
        benchmark = open_benchmark("trackingnet", root)
        assert (benchmark.subset, benchmark.hidden) == ("test", True)
        assert benchmark.sequences[0].name == "vid_1"
        assert [path.stem for path in benchmark.sequences[0].images] == [str(i) for i in range(11)]
        assert benchmark.sequences[0].boxes_xywh.tolist() == [[10, 12, 20, 16]] + [[0] * 4] * 10
    (tmp_path / "TEST/anno/vid_2.txt").write_text(BOX)
    findings, _ = checked("trackingnet", tmp_path)
    assert [finding.name for finding in findings] == ["TrackingNet", "vid_1", "vid_2"]
    assert "frames/vid_2 not found" in findings[2].reason


def test_any_folder(got10k: Path, tmp_path: Path, write_clip: Callable) -> None:
    (got10k / "val/list.txt").unlink()
    (got10k / "val/a/cover.label").write_text("8\n0\n8\n8\n")
    benchmark = open_benchmark("folder", got10k / "val")
    assert [sequence.name for sequence in benchmark.sequences] == ["a", "b"]
    assert benchmark.sequences[0].boxes_xywh.tolist() == [[10, 12, 20, 16]] * 4
    assert benchmark.cover["a"].tolist() == [8, 0, 8, 8]
    clips = tmp_path / "clips"
    clips.mkdir()
    write_clip(clips / "one.mp4", frames=3)
    (clips / "one.txt").write_text(BOX * 3)
    assert open_benchmark("folder", clips).sequences[0].path == clips / "one.mp4"
    assert checked("folder", clips, thorough=True) == ([], CheckReport(1, 3, 0, 0))
    (clips / "one.txt").write_text(BOX * 2)
    assert "3 frames, 2 boxes" in checked("folder", clips, thorough=True)[0][0].reason
    stills = tmp_path / "stills"
    for name in ("JPEGImages", "Annotations"):
        (stills / name).mkdir(parents=True)
    (stills / "Annotations/1.xml").write_text("<a/>")
    with pytest.raises(DataError, match="holds stills"):
        open_benchmark("folder", stills)
