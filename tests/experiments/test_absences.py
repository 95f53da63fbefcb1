from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from siamtrack.data.layout import find_sequences
from siamtrack.data.sequence import Sequence
from siamtrack.frames import Image

TARGET_BGR = (250, 5, 250)
"""No pixel of the ground, of another sequence or of a blend of them comes near it."""

FRAME_WH = (160, 120)
FRAMES = 64
KINDS = ("removed", "occluded", "leaves", "cut", "black")
BEFORE, AFTER = 14, 20


@pytest.fixture(scope="module")
def absences(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    """The package, whose modules the script has imported."""
    import_tool("experiments/lost/measure_lost")
    return sys.modules["absences"]


def write_sequence(
    root: Path, name: str, frames: int = FRAMES, size_wh: tuple[int, int] = (20, 26), unlabelled: Iterable[int] = ()
) -> None:
    """A folder of images beside its boxes: a patch in one colour that crosses a textured ground.

    Only `walker` has the colour of the target; blue of the pixel in the lower right corner is the frame's number.
    """
    (root / name).mkdir(parents=True)
    rng = np.random.default_rng(len(name))
    small = rng.integers(60, 190, (FRAME_WH[1] // 8, FRAME_WH[0] // 8, 3), np.uint8)
    ground = cv2.resize(small, FRAME_WH, interpolation=cv2.INTER_LINEAR)
    lines = []
    for i in range(frames):
        x, y = 50 + i // 2, 40 + round(8 * np.sin(i / 9))
        frame = ground.copy()
        frame[y : y + size_wh[1], x : x + size_wh[0]] = TARGET_BGR if name.startswith("walker") else (20, 90, 20)
        frame[-1, -1] = (i, 0, 0)
        cv2.imwrite(str(root / name / f"{i:04d}.png"), frame)
        lines.append("0,0,0,0\n" if i in set(unlabelled) else f"{x},{y},{size_wh[0]},{size_wh[1]}\n")
    (root / f"{name}.txt").write_text("".join(lines))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sequences, one of them with the target."""
    folder = tmp_path_factory.mktemp("absences")
    for name in ("walker", "lake", "mountain"):
        write_sequence(folder, name)
    return folder


@pytest.fixture
def sequences(root: Path) -> list[Sequence]:
    return find_sequences(root)


@pytest.fixture
def clip_of(absences: ModuleType, sequences: list[Sequence]) -> Callable[..., Any]:
    """A clip of the walker by its kind and seed."""

    def make(kind: str, seed: int = 0) -> Any:
        walker = next(sequence for sequence in sequences if sequence.name == "walker")
        (clip,) = absences.making.make_clips(walker, sequences, seed, absences.clip.Lengths(BEFORE, AFTER, most=90), [kind])
        return clip

    return make


def target_box(image: Image) -> np.ndarray:
    """`x, y, w, h` of all that has the target's colour, zeros if nothing has."""
    near = np.abs(image.astype(int) - TARGET_BGR).max(axis=2) < 25
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    if not len(rows):
        return np.zeros(4)
    return np.array([columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_target_is_seen_where_it_is_labelled_and_nowhere_while_it_is_absent(
    absences: ModuleType, clip_of: Callable[..., Any], kind: str, seed: int
) -> None:
    clip = clip_of(kind, seed)
    images = list(clip.frames)
    absent, turn = clip.absent, {"occluded": absences.occluded.SLIDE, "leaves": absences.camera.PAN}.get(kind, 0)
    assert len(images) == len(clip.boxes) <= 90
    assert {image.shape for image in images} == {(72, 96, 3) if kind == "leaves" else (120, 160, 3)}
    assert {image.dtype for image in images} == {np.dtype(np.uint8)}
    assert BEFORE <= absent.start <= BEFORE + turn
    assert (clip.name, clip.kind, clip.source) == (f"{kind}_walker", kind, "walker")
    assert (absent.stop == len(images)) == (kind == "removed")

    gone = ~clip.boxes.any(axis=1)
    assert np.flatnonzero(gone).tolist() == list(absent)
    seen = np.array([target_box(image) for image in images])
    wholly = slice(BEFORE + turn, None if kind == "removed" else len(images) - AFTER - turn)
    assert len(seen[wholly]) >= 10
    assert not seen[wholly].any()
    # An occluder covers part of the box on its way; a box in a window is what is seen of it.
    whole = [k for k in np.flatnonzero(~gone) if kind != "occluded" or not absent.start - turn <= k < absent.stop + turn]
    assert np.abs(seen[whole] - clip.boxes[whole]).max() <= 1
    assert seen[~gone].any(axis=1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_frames_each_time_and_another_seed_others(clip_of: Callable[..., Any], kind: str) -> None:
    clip = clip_of(kind, 3)
    first = [image.tobytes() for image in clip.frames]
    assert first == [image.tobytes() for image in clip.frames]
    again = clip_of(kind, 3)
    assert first == [image.tobytes() for image in again.frames]
    assert clip.boxes.tolist() == again.boxes.tolist()
    if kind != "removed":  # which has nothing to draw
        assert first != [image.tobytes() for image in clip_of(kind, 4).frames]


@pytest.mark.parametrize("kind", ["cut", "black"])
def test_the_source_stands_still_during_a_cut(clip_of: Callable[..., Any], kind: str) -> None:
    clip = clip_of(kind)
    numbers = [int(image[-1, -1, 0]) for image in clip.frames if target_box(image).any()]
    assert numbers == list(range(BEFORE + AFTER))
    if kind == "black":
        assert max(int(image.max()) for k, image in enumerate(clip.frames) if k in clip.absent) < 16


def test_the_camera_comes_back_elsewhere(clip_of: Callable[..., Any]) -> None:
    for seed in range(5):
        clip = clip_of("leaves", seed)
        centres = clip.boxes[:, :2] + clip.boxes[:, 2:] / 2
        jump = np.linalg.norm(centres[clip.absent.stop] - centres[clip.absent.start - 1])
        assert jump >= 0.25 * np.hypot(96, 72)
        assert np.linalg.norm(centres[0] - (48, 36)) < 10


class Ways:
    """Stands for a camera: the views of its ways, whatever these are."""

    def __init__(self, views: list[Any]) -> None:
        self._views = iter(views)

    def places(self, axis: int) -> tuple[float, float]:
        return 0.2, 0.8

    def view(self, *_: object) -> Any:
        return next(self._views, None)


def test_a_jump_counts_more_than_what_lies_outside_the_frame(absences: ModuleType) -> None:
    def view(jump: float, outside: float) -> Any:
        return absences.camera.View(np.zeros((1, 2), np.int64), np.zeros((1, 4)), range(0), jump, outside)

    def chosen(*views: Any) -> float:
        return float(absences.leaves.choose_view(Ways(list(views)), np.random.default_rng(0)).jump)

    assert chosen(view(0.1, 0.0), None, view(0.3, 0.5), view(0.4, 0.2), view(0.2, 0.0)) == 0.4
    assert chosen(view(0.1, 0.0), view(0.2, 0.3)) == 0.2
    with pytest.raises(ValueError, match="too fast"):
        chosen(None)


def test_short_sequences_go_forth_and_back_between_their_gaps(absences: ModuleType, tmp_path: Path) -> None:
    write_sequence(tmp_path, "walker", 50, unlabelled=[*range(4), *range(36, 40)])
    write_sequence(tmp_path, "lake", 8)
    walker = next(sequence for sequence in find_sequences(tmp_path) if sequence.name == "walker")
    (clip,) = absences.making.make_clips(walker, [], 0, absences.clip.Lengths(20, 60), ["black"])
    numbers = []
    for image in clip.frames:
        if target_box(image).any():
            numbers.append(int(image[-1, -1, 0]))
        image[:] = 0  # each frame is the caller's own, also one that is played again
    assert numbers == [*range(4, 36), *range(34, 3, -1), *range(5, 22)]
    found = find_sequences(tmp_path)
    (clip,) = absences.making.make_clips(walker, found, 0, absences.clip.Lengths(20, 20), ["cut"])  # of 8 other frames
    assert len(list(clip.frames)) == len(clip.boxes)


def test_what_a_sequence_cannot_give_is_left_out(absences: ModuleType, tmp_path: Path, sequences: list[Sequence]) -> None:
    write_sequence(tmp_path, "walker_short", 40, unlabelled=[20])
    write_sequence(tmp_path, "walker_large", 40, size_wh=(100, 76))
    found = {sequence.name: sequence for sequence in find_sequences(tmp_path)}
    lengths, making = absences.clip.Lengths, absences.making
    assert not list(making.make_clips(found["walker_short"], sequences, 0))
    with pytest.raises(absences.clip.CannotMakeError, match="20 frames in a row are labelled, 30 are wanted"):
        absences.clip.look_at(found["walker_short"], sequences, lengths())

    large = found["walker_large"]
    assert [clip.kind for clip in making.make_clips(large, [], 0, lengths(10, 10))] == ["black"]
    alone = absences.clip.look_at(large, [], lengths(10, 10))
    few = absences.clip.look_at(large, sequences, lengths(40, 20, most=69))
    for kind, scene, why in (
        ("removed", alone, "too large"),
        ("leaves", alone, "too large for a window of 96x72 px"),
        ("cut", alone, "of another video"),
        ("occluded", alone, "of another video"),
        ("black", few, "needs 70 frames, 69 are allowed"),
    ):
        with pytest.raises(absences.clip.CannotMakeError, match=why):
            making.KINDS[kind](scene, making.drawing(0, large, kind))


def test_nothing_is_borrowed_from_the_same_video(absences: ModuleType, tmp_path: Path) -> None:
    for name in ("walker-1", "walker-2", "lake"):
        write_sequence(tmp_path, name, 32)
    found = find_sequences(tmp_path)
    walker = next(sequence for sequence in found if sequence.name == "walker-1")
    scene = absences.clip.look_at(walker, found, absences.clip.Lengths())
    assert [other.name for other in scene.others] == ["lake"]
    numbered = [Sequence(f"GOT-10k_Val_{i:06d}", tmp_path / str(i), walker.boxes_xywh) for i in (1, 2)]
    assert absences.clip.video_name(numbered[0]) != absences.clip.video_name(numbered[1])
