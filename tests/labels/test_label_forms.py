"""`siamtrack export-labels`: whole folders of results, and a real run from end to end."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from commands import Command, refused

import siamtrack
from siamtrack.errors import DataError, OutputError
from siamtrack.labels import FORMS, LabelOptions, export, footage, load_tracks
from siamtrack.tracking.tracker import Tracker
from siamtrack.video.run import run
from siamtrack.video.source import Source, open_again, open_source
from siamtrack.video.tracking_loop import Span


@pytest.fixture
def labels(here: Command) -> Command:
    """The command in this process."""
    return partial(here, "export-labels")


@pytest.fixture(scope="module")
def tracked(tracker: Tracker, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two real runs on the rendered clip, as targets of one video."""
    out = tmp_path_factory.mktemp("tracked")
    for name, start in (("patch", 0), ("later", 5)):
        box = (60.0 + 2.5 * start, 80 + 18 * np.sin(start / 9), 40.0, 50.0)
        with open_source(clip) as frames:
            run(tracker, frames, out / name, siamtrack.Box(*box), Span(start, 14))
    return out


def test_a_video_is_opened_once_for_what_it_says_and_once_for_its_frames(
    tracked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def open_noted(name: str) -> Source:
        opened.append(name)
        return open_again(name)

    monkeypatch.setattr(footage, "open_again", open_noted)
    export(load_tracks(tracked), "yolo", tmp_path, LabelOptions(frames=True))
    assert len(opened) == 2


def test_a_real_run_in_every_form(labels: Command, tracked: Path, tmp_path: Path) -> None:
    track = load_tracks(tracked).videos[0].tracks[1]
    assert track.target == "patch"
    for form in FORMS:
        result = labels(tracked, "--to", form, "--out", tmp_path, "--label", "patch")
        assert result.returncode == 0, result.stderr
        assert f"{tmp_path}/{'labels/' if form == 'yolo' else ''}clip" in result.stdout.replace("\\", "/")
        assert "25 boxes of 2 targets" in result.stdout
    names = {"clip", "clip.json", "clip.labels", "clip.labelstudio.json", "clip.parquet", "clip.txt", "clip.xml"}
    assert {path.name for path in tmp_path.iterdir()} == names | {"data.yaml", "labels"}
    rows = np.loadtxt(tmp_path / "clip.txt", delimiter=",")
    boxes = rows[rows[:, 1] == 2][:, 2:6] - [1, 1, 0, 0]
    np.testing.assert_allclose(boxes, track.boxes_xywh, atol=5e-4)
    data = json.loads((tmp_path / "clip.json").read_text())
    notes = [note for note in data["annotations"] if note["track_id"] == 2]
    np.testing.assert_allclose([note["bbox"] for note in notes], track.boxes_xywh, atol=5e-4)
    closing = ElementTree.parse(tmp_path / "clip.xml").getroot().findall("track")[1].findall("box")[-1]
    assert (closing.attrib["frame"], closing.attrib["outside"]) == ("15", "1")
    shapes = json.loads((tmp_path / "clip/frame_000014.json").read_text())["shapes"]
    assert shapes[1]["points"][0] == pytest.approx(track.boxes_xywh[-1, :2].tolist(), abs=5e-4)
    for form in FORMS:
        refused(labels(tracked, "--to", form, "--out", tmp_path), "exists; give --force")
        assert labels(tracked, "--to", form, "--out", tmp_path, "--force").returncode == 0


def test_frames_and_options_reach_the_files(labels: Command, tracked: Path, tmp_path: Path) -> None:
    options = ["--every", 7, "--label", "a {target}", "--frames", "--suffix", "png"]
    assert labels(tracked, "--to", "labelme", "--out", tmp_path, *options).returncode == 0
    names = sorted(path.name for path in (tmp_path / "clip").iterdir())
    assert names == [f"frame_0000{frame}.{ending}" for frame in ("00", "07", "14") for ending in ("json", "png")]
    shapes = json.loads((tmp_path / "clip/frame_000007.json").read_text())["shapes"]
    assert [shape["label"] for shape in shapes] == ["a later", "a patch"]


def test_skipped_runs_are_reported_and_cvat_is_explained(labels: Command, write_run, tmp_path: Path) -> None:
    write_run(tmp_path / "batch" / "v" / "car")
    failed = write_run(tmp_path / "batch" / "v" / "dog")
    (failed / "error.json").write_text(json.dumps({"error": "the video is cut"}))
    result = labels(tmp_path / "batch", "--to", "cvat", "--out", tmp_path / "out")
    assert result.returncode == 0
    assert "dog is left out: it failed: the video is cut" in result.stderr
    assert "with the label object, then Actions, Upload annotations" in result.stdout
    result = labels(tmp_path / "batch", "--to", "mot", "--out", tmp_path / "out", "--min-score", 1, "--every", 9)
    assert "1 box of 1 target" in result.stdout


def test_a_video_without_a_box_is_pointed_out(labels: Command, write_run, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", [(0, (1.0, 2.0, 3.0, 4.0), 0.1, siamtrack.State.LOST)])
    result = labels(folder, "--to", "mot", "--out", tmp_path / "out")
    assert result.returncode == 0
    assert "clip.txt has no box to export" in result.stderr


def test_mistakes_are_one_clear_line(labels: Command, write_run, tmp_path: Path, clip: Path) -> None:
    folder, out = write_run(tmp_path / "run"), tmp_path / "out"
    refused(labels(folder, "--to", "cooc", "--out", out), "no form of labels 'cooc'; did you mean 'coco'?")
    refused(labels(folder, "--to", "mot", "--out", out, "--frames"), "--frames goes with coco, yolo, labelme, labelme-xml")
    refused(labels(folder, "--to", "mot", "--out", folder), "is the folder of a run")
    refused(labels(folder, "--to", "coco", "--out", out, "--size", "0x9"), "size '0x9' is not WIDTHxHEIGHT")
    refused(labels(folder, "--to", "coco", "--out", out, "--size", "9x9"), "--size is 9x9, but clip was tracked in 320x240")
    refused(labels(folder, "--to", "coco", "--out", out, "--suffix", "gif"), "no frame images end in 'gif'")
    for name in ("a", "b"):
        write_run(tmp_path / "two" / name / "t", about={"source": "/nowhere/clip.mp4"})
    refused(labels(tmp_path / "two", "--to", "coco", "--out", out, "--source", clip), "--source names one video")
    refused(labels(tmp_path / "two", "--to", "coco", "--out", out), "give --size WxH")
    assert not out.exists()
    assert labels(tmp_path / "two", "--to", "coco", "--out", out, "--size", "64x48").returncode == 0
    moved = write_run(tmp_path / "moved", about={"source": "/nowhere/old.mp4"})
    assert labels(moved, "--to", "labelme", "--out", out, "--source", clip, "--frames").returncode == 0
    assert len(list((out / "old").glob("*.jpg"))) == 4  # the video keeps the name that its runs give it


def test_everything_is_checked_before_the_first_file(write_run, tmp_path: Path) -> None:
    write_run(tmp_path / "batch" / "a" / "t")
    write_run(tmp_path / "batch" / "b" / "t", about={})
    with pytest.raises(DataError, match="frame size of b is unknown"):
        export(load_tracks(tmp_path / "batch"), "coco", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/b.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"b\.txt exists"):
        export(load_tracks(tmp_path / "batch"), "mot", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.txt"]


@pytest.mark.parametrize("form", [form for form in FORMS if form != "parquet"])
def test_no_name_leads_out_of_the_folder(write_run, tmp_path: Path, form: str) -> None:
    for number, source in enumerate(["x/../..", '<b>&"..\\..\\evil".mp4', "\x00\x1b/..", "~"]):
        write_run(tmp_path / "runs" / f"t<&>{number}", source=source)
    before = {path for path in tmp_path.rglob("*") if tmp_path / "runs" not in path.parents}
    written = export(load_tracks(tmp_path / "runs"), form, tmp_path / "a" / "out", LabelOptions(label="<{target}> ../x"))
    assert len({item.path for item in written}) == 4
    made = {path for path in tmp_path.rglob("*") if tmp_path / "runs" not in path.parents} - before
    assert all(path.is_relative_to(tmp_path / "a") for path in made)
    assert {item.path.parent for item in written} == {tmp_path / "a" / "out" / ("labels" if form == "yolo" else "")}
    assert all(item.path.exists() for item in written)


def test_help_teaches_with_examples(labels: Command) -> None:
    text = labels("--help").stdout
    assert "siamtrack export-labels runs/car --to mot --out labels" in text
    assert "--keep-lost" in text
