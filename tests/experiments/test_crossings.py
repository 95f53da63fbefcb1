from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from rendered import rendered_frame

from siamtrack.boxes import iou
from siamtrack.data.layout import find_sequences
from siamtrack.data.sequence import Sequence

FRAMES = 44
DRAWS = 12
"""Enough that there are some of each kind."""


@pytest.fixture(scope="module")
def tool(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("experiments/crossings")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, write_clip: Callable[..., Path]) -> Path:
    """A sequence that fits, and one that is too short."""
    folder = tmp_path_factory.mktemp("crossings")
    for name, frames in (("long", FRAMES), ("short", 20)):
        write_clip(folder / f"{name}.mp4", frames)
        boxes = (",".join(f"{value:.2f}" for value in rendered_frame(i)[1]) for i in range(frames))
        (folder / f"{name}.txt").write_text("\n".join(boxes))
    return folder


@pytest.fixture(scope="module")
def sequence(root: Path) -> Sequence:
    return find_sequences(root)[0]


@pytest.fixture(scope="module")
def clips(tool: ModuleType, sequence: Sequence) -> list[Any]:
    return tool.make_crossings(sequence, DRAWS, 0)


def cells(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """(5, 4, 3) the colours of the rendered patch's cells, were it in this box."""
    x, y, w, h = box
    columns = np.floor(x + w * (np.arange(4) + 0.5) / 4).astype(int)
    rows = np.floor(y + h * (np.arange(5) + 0.5) / 5).astype(int)
    return image[rows[:, None], columns].astype(int)


def inside(box: np.ndarray, share: float) -> tuple[slice, slice]:
    """The rows and columns of a box whose sides are changed to a share, about its centre."""
    (x, y), (w, h) = box[:2] + box[2:] / 2, box[2:] * share / 2
    return slice(max(0, round(y - h)), max(0, round(y + h))), slice(max(0, round(x - w)), max(0, round(x + w)))


def test_a_seed_gives_the_same_clips_and_another_seed_others(tool: ModuleType, sequence: Sequence, clips: list[Any]) -> None:
    again, other = tool.make_crossings(sequence, 2, 0), tool.make_crossings(sequence, 1, 1)
    for one, same in zip(clips, again, strict=False):
        assert (one.name, one.behind) == (same.name, same.behind)
        np.testing.assert_array_equal(one.distractors_xywh, same.distractors_xywh)
        assert [frame.tobytes() for frame in one.frames()] == [frame.tobytes() for frame in same.frames()]
    assert not np.allclose(clips[0].distractors_xywh, clips[1].distractors_xywh)
    assert not np.allclose(clips[0].distractors_xywh, other[0].distractors_xywh)


def test_the_distractor_goes_from_one_side_to_the_other_and_is_as_large_as_the_target(clips: list[Any]) -> None:
    for clip in clips:
        assert not clip.distractors_xywh[0].any()
        own, other = clip.boxes_xywh[1:], clip.distractors_xywh[1:]
        np.testing.assert_allclose(other[:, 2:], own[:, 2:], rtol=1e-3)
        offsets = (other[:, :2] - own[:, :2]) / np.sqrt(own[:, 2:].prod(axis=1))[:, None]
        assert 2.2 <= np.hypot(*offsets[0]) <= np.hypot(2.2, 0.8)
        along = (offsets[-1] - offsets[0]) / np.hypot(*(offsets[-1] - offsets[0]))
        assert offsets[0] @ along == pytest.approx(-2.2, abs=0.01)
        assert offsets[-1] @ along == pytest.approx(2.2, abs=0.01) or offsets[-1] @ along == pytest.approx(1.1, abs=0.01)
        assert np.ptp(offsets @ (-along[1], along[0])) < 0.01
    assert {clip.behind for clip in clips} == {True, False}


def test_the_distractor_is_drawn_mirrored_where_its_box_says_and_nowhere_else(clips: list[Any]) -> None:
    checked = 0
    for clip in clips:
        frames = list(clip.frames())
        np.testing.assert_array_equal(frames[0], clip.plain[0])
        picture = cells(clip.plain[0], clip.boxes_xywh[0])
        for frame, plain, distractor, target in zip(frames, clip.plain, clip.distractors_xywh, clip.boxes_xywh, strict=True):
            height, width = frame.shape[:2]
            whole = (
                distractor[0] >= 0
                and distractor[1] >= 0
                and distractor[0] + distractor[2] < width
                and distractor[1] + distractor[3] < height
            )
            if not distractor[2] or not whole or iou(distractor, target) > 0:
                continue
            drawn = cells(frame, distractor)
            assert np.abs(drawn - picture[:, ::-1]).max() < 12
            assert np.abs(drawn - picture).mean() > 30  # which is how it would be unmirrored
            changed = (frame != plain).any(axis=2)
            assert changed[inside(distractor, 0.9)].mean() > 0.9
            changed[inside(distractor, 1.3)] = False
            assert not changed.any()
            checked += 1
    assert checked > 20


def test_behind_the_target_the_distractor_is_hidden_and_beside_it_seen(clips: list[Any]) -> None:
    checked = 0
    for clip in clips:
        at = int(iou(clip.distractors_xywh, clip.boxes_xywh).argmax())
        target = clip.boxes_xywh[at]
        _, hidden = next(replace(clip, behind=True).frames_at({at}))
        _, over = next(replace(clip, behind=False).frames_at({at}))
        core = inside(target, 0.75)
        np.testing.assert_array_equal(hidden[core], clip.plain[at][core])
        assert (over[core] != clip.plain[at][core]).any()
        outside = np.ones(hidden.shape[:2], bool)
        outside[inside(target, 1.1)] = False
        np.testing.assert_array_equal(hidden[outside], over[outside])
        checked += bool((hidden != clip.plain[at])[outside].any())
    assert checked > 0


def test_the_end_says_who_has_the_box(tool: ModuleType, clips: list[Any]) -> None:
    clip = next(clip for clip in clips if not iou(clip.boxes_xywh[-6:], clip.distractors_xywh[-6:]).any())
    loose = clip.boxes_xywh.copy()
    loose[:, :2] += 0.2 * loose[:, 2:]
    swapped = np.concatenate([clip.distractors_xywh[:-6], clip.boxes_xywh[-6:]])
    for boxes, wanted in (
        (clip.boxes_xywh, "kept"),
        (loose, "kept"),
        (swapped, "kept"),  # only the end counts
        (clip.distractors_xywh, "stolen"),
        (np.full_like(clip.boxes_xywh, 5.0), "lost"),
    ):
        assert tool.outcome(boxes, clip) == wanted


def test_what_gives_no_clip_has_a_reason(tool: ModuleType, sequence: Sequence) -> None:
    absent, small = sequence.boxes_xywh.copy(), sequence.boxes_xywh.copy()
    absent[7] = 0
    small[:, 2:] /= 3
    assert tool.why_unfit(sequence) == ""
    assert "39 frames" in tool.why_unfit(replace(sequence, boxes_xywh=sequence.boxes_xywh[:39]))
    assert "frame 7" in tool.why_unfit(replace(sequence, boxes_xywh=absent))
    assert "14.9 px" in tool.why_unfit(replace(sequence, boxes_xywh=small))


@pytest.fixture
def call(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs the tool in this process: another one would take seconds to import torch."""
    monkeypatch.setattr(tool, "shared", lambda work, calls, jobs: (work(*each) for each in calls))

    def run(*arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", ["crossings.py", *map(str, arguments)])
        tool.main()

    return run


def test_the_command_says_how_trackers_fare(
    root: Path, tmp_path: Path, call: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "sheet.jpg"
    names = ("siamfc-lite", "identity")
    call(root, "--tracker", names[0], "--tracker", names[1], "--clips", 1, "--jobs", 1, "--sheet", picture)
    out = capsys.readouterr().out
    assert "short: left out: 20 frames are labelled, 40 are wanted" in out
    rows = {row[1]: row for line in out.splitlines() if len(row := [part.strip() for part in line.split("│")]) > 6}
    assert rows.keys() == set(names)
    for row in rows.values():
        assert row[2] == "1"
        assert sorted(row[3:6]) == ["0 (0%)", "0 (0%)", "1 (100%)"]
    assert float(rows[names[0]][6]) > float(rows["identity"][6])  # the target leaves its first box
    assert cv2.imread(str(picture)).shape[:2] == (260, 7 * 260)


def test_wrong_input_is_told_in_a_line(root: Path, call: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        ((root / "none", "--tracker", "identity"), "none not found"),
        ((root, "--tracker", "identity", "--only", "lang"), "no sequence 'lang'"),
        ((root, "--tracker", "siamfc-lite,redetekt=true"), "redetekt"),
    ):
        with pytest.raises(SystemExit, match="2"):
            call(*arguments)
        assert said in capsys.readouterr().err.splitlines()[-1]
