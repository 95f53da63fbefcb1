from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from rendered import rendered_frame

from siamtrack.boxes import iou
from siamtrack.eval.peers import IdentityTracker
from siamtrack.tracking.tracker import Tracker

FRAMES = 6


@pytest.fixture(scope="module")
def tool(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("tools/label_clips")


@pytest.fixture
def call(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the tool in this process with a teacher that stays; `teacher` puts another in its place."""

    def run(*arguments: object, teacher: object = None) -> int:
        monkeypatch.setattr(tool.TrackerSpec, "make", lambda _: teacher or IdentityTracker())
        monkeypatch.setattr(sys, "argv", ["label_clips.py", *map(str, arguments)])
        return int(tool.main())

    return run


@pytest.fixture
def clips(tmp_path: Path, write_clip: Callable[..., Path]) -> Path:
    (tmp_path / "clips").mkdir()
    write_clip(tmp_path / "clips/cat.mp4", FRAMES)
    (tmp_path / "clips/cat.txt").write_text("60,80,40,50\n")
    return tmp_path / "clips"


def test_a_clip_is_labelled_and_the_input_left_as_it_is(
    clips: Path, tmp_path: Path, tracker: Tracker, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "temp").mkdir()
    before = (clips / "cat.mp4").read_bytes()
    assert call(clips, "--temp", tmp_path / "temp", teacher=tracker) == 0
    labels = np.loadtxt(clips / "cat.labels.txt", delimiter=",")
    truth = np.array([rendered_frame(i)[1] for i in range(FRAMES)])
    assert labels.shape == (FRAMES, 4)
    sure = labels[:, 2] > 0
    assert sure.sum() >= FRAMES - 1
    assert iou(labels[sure], truth[sure]).min() > 0.6
    assert f"cat.mp4: {sure.sum()} of {FRAMES} frames labelled" in capsys.readouterr().out
    assert (clips / "cat.txt").read_text() == "60,80,40,50\n"
    assert (clips / "cat.mp4").read_bytes() == before
    assert not list((tmp_path / "temp").iterdir())
    assert sorted(path.name for path in clips.iterdir()) == ["cat.labels.txt", "cat.mp4", "cat.txt"]


def test_labels_that_are_there_are_kept_unless_asked(clips: Path, call: Callable[..., int]) -> None:
    (clips / "cat.labels.txt").write_text("mine\n")
    assert call(clips) == 0
    assert (clips / "cat.labels.txt").read_text() == "mine\n"
    assert call(clips, "--again") == 0
    assert len((clips / "cat.labels.txt").read_text().splitlines()) == FRAMES


def test_one_bad_clip_does_not_keep_the_others_from_their_labels(
    clips: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    (clips / "broken.mp4").write_bytes((clips / "cat.mp4").read_bytes()[:2000])
    (clips / "broken.txt").write_text("60,80,40,50\n")
    (clips / "boxless.mp4").write_bytes((clips / "cat.mp4").read_bytes())
    (clips / "many.mp4").write_bytes((clips / "cat.mp4").read_bytes())
    (clips / "many.txt").write_text("60,80,40,50\n" * 3)
    assert call(clips) == 1
    printed = capsys.readouterr()
    assert [line.split(":")[0] for line in printed.err.splitlines()] == ["boxless.mp4", "broken.mp4", "many.mp4"]
    assert "give --box" in printed.err
    assert "has 3 lines" in printed.err
    assert [path.name for path in clips.glob("*.labels.txt*")] == ["cat.labels.txt"]


def test_a_first_box_on_the_command_line_is_for_one_video(clips: Path, call: Callable[..., int]) -> None:
    (clips / "cat.txt").unlink()
    assert call(clips / "cat.mp4", "--box", "60,80,40,50") == 0
    assert (clips / "cat.labels.txt").read_text().splitlines()[0] == "60.00,80.00,40.00,50.00"
    (clips / "dog.mp4").write_bytes((clips / "cat.mp4").read_bytes())
    with pytest.raises(SystemExit, match="2"):
        call(clips, "--box", "60,80,40,50")


def test_no_first_box_is_ever_overwritten(clips: Path, call: Callable[..., int]) -> None:
    (clips / "cat.labels.mp4").write_bytes((clips / "cat.mp4").read_bytes())
    (clips / "cat.labels.txt").write_text("60,80,40,50\n")
    assert call(clips, "--again") == 1
    assert (clips / "cat.labels.txt").read_text() == "60,80,40,50\n"


def test_frames_come_back_from_the_shelf(tool: ModuleType, tmp_path: Path) -> None:
    shelf = tool.JpegShelf(tmp_path)
    for i in range(3):
        shelf.append(rendered_frame(i)[0])
    assert np.abs(shelf[2].astype(int) - rendered_frame(2)[0]).mean() < 4
    with pytest.raises(OSError, match="cannot be read again"):
        shelf[3]


def test_labels_are_made_anew_beside_the_old_ones(
    clips: Path, call: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = "60,80,40,50\n" * (FRAMES - 2) + "0,0,0,0\n" + "10,10,40,50\n"
    (clips / "cat.txt").write_text(old)
    assert call(clips, "--out", tmp_path / "labels", "--tracker", "one", "two", "three") == 0
    assert (clips / "cat.txt").read_text() == old
    assert (tmp_path / "labels/cat.txt").read_text() == "60.00,80.00,40.00,50.00\n" * FRAMES
    assert f"of {FRAMES - 1} that had labels 1 are disputed" in capsys.readouterr().out
