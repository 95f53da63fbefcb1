from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rendered import rendered_frame

from siamtrack.errors import DataError
from siamtrack.tracking.crop import CropWindow
from siamtrack.train.augment import AugmentConfig, PairChoice, view
from siamtrack.train.crops import CROP_SIZE, CropStore, open_store
from siamtrack.train.pairs import PairBatches
from siamtrack.train.sequences import find_sequences, read_stills

STILL = AugmentConfig(*[0.0] * 11)


def batches(stores: list[CropStore], **changes: object) -> PairBatches:
    settings = {
        "weights": [2.0, 1.0],
        "sizes": [159, 159, 175],
        "batch_size": 8,
        "augment": AugmentConfig(),
        "max_gap": 100,
        "color_order": "rgb",
        "seed": 0,
    }
    return PairBatches(stores, **{**settings, **changes})  # type: ignore[arg-type]


def test_the_got10k_layout_is_read_with_absence(got10k_root: Path) -> None:
    sequences = find_sequences(got10k_root)
    assert len(sequences) == 4
    assert sequences[0].visible.tolist() == [True, True, False, True, True, True]
    assert len(list(sequences[0].frames())) == 6


def test_videos_beside_box_files_are_read(tmp_path: Path, write_clip: Callable[..., Path]) -> None:
    write_clip(tmp_path / "one.mp4", frames=5)
    (tmp_path / "one.txt").write_text("".join("10,20,30,40\n" if i != 3 else "0,0,0,0\n" for i in range(5)))
    (sequence,) = find_sequences(tmp_path)
    assert sequence.visible.tolist() == [True, True, True, False, True]
    assert len(list(sequence.frames())) == 5
    (tmp_path / "one.txt").write_text("10,20,30,40\n" * 9)
    with pytest.raises(DataError, match="5 frames, 9 boxes"):
        list(find_sequences(tmp_path)[0].frames())


def test_broken_data_is_named(got10k_root: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not found"):
        find_sequences(tmp_path / "none")
    with pytest.raises(DataError, match="no sequences"):
        find_sequences(tmp_path)
    for name, text, message in (
        ("groundtruth.txt", "1,2,x,4\n", "not x,y,w,h"),
        ("groundtruth.txt", "1,2,3\n", "expected one x,y,w,h line a frame"),
        ("absence.label", "0\n", "1 lines, but 6 boxes"),
    ):
        root = tmp_path / name / message[:4]
        shutil.copytree(got10k_root, root)
        (root / "GOT-10k_Train_000002" / name).write_text(text)
        with pytest.raises(DataError, match=f"GOT-10k_Train_000002.*{message}"):
            find_sequences(root)


def test_stills_come_with_their_boxes(stills: Path) -> None:
    images = list(read_stills(stills))
    assert [len(image.boxes_xywh) for image in images] == [2, 1, 0]
    assert images[0].classes == ("duck", "duck")
    assert images[0].image.shape == (240, 320, 3)


def test_crops_leave_out_frames_without_a_target(stores: list[CropStore]) -> None:
    videos, stills = stores
    assert [len(track.crops) for track in videos.tracks] == [5, 5, 5, 5]
    assert 2 not in videos.tracks[0].frames
    # Two boxes of one image are two tracks of one family, and an image without a box is one more.
    assert [len(track.crops) for track in stills.tracks] == [1, 1, 1, 1]
    assert len({track.family for track in stills.tracks[:3]}) == 1
    assert stills.tracks[3].family != stills.tracks[0].family


def test_a_crop_holds_the_target_in_its_middle_at_the_exemplars_scale(stores: list[CropStore]) -> None:
    index = int(stores[0].tracks[0].crops[1])
    crop = stores[0].crop(index)
    frame, (x, y, w, h) = rendered_frame(1)
    side = np.sqrt((w + (w + h) / 2) * (h + (w + h) / 2)) * CROP_SIZE / 127
    expected = CropWindow((x + w / 2, y + h / 2), side, CROP_SIZE).extract(frame, (0, 0, 0))
    middle = slice(100, 220)
    assert np.abs(crop[middle, middle].astype(int) - expected[middle, middle]).mean() < 8  # JPEG, twice
    assert stores[0].target_wh(index) == pytest.approx([w / side * CROP_SIZE, h / side * CROP_SIZE], rel=1e-3)


def test_crops_are_made_once(got10k_root: Path, stores: list[CropStore]) -> None:
    made: list[str] = []
    again = open_store(got10k_root, stores[0].path.parent, made.append)
    assert not made
    assert (again.crop(3) == stores[0].crop(3)).all()


def test_a_batch_depends_on_seed_and_step_alone(stores: list[CropStore]) -> None:
    a, b = batches(stores)[1], batches(stores)[1]
    assert (a.images == b.images).all()
    assert (a.center_xy == b.center_xy).all()
    assert not (a.images == batches(stores)[0].images).all()
    assert not (a.images == batches(stores, seed=1)[1].images).all()
    assert batches(stores)[2].images.shape == (8, 175, 175, 3)


def test_both_views_of_a_pair_show_one_family(stores: list[CropStore]) -> None:
    families = batches(stores)[0].family.reshape(-1, 2)
    assert (families[:, 0] == families[:, 1]).all()


def test_colour_order_is_the_networks(stores: list[CropStore]) -> None:
    rgb, bgr = batches(stores)[0], batches(stores, color_order="bgr")[0]
    assert (rgb.images.flip(-1) == bgr.images).all()


def test_a_batch_of_one_view_is_refused(stores: list[CropStore]) -> None:
    with pytest.raises(ValueError, match="even and at least 4"):
        batches(stores, batch_size=5)


def test_a_view_without_augmentation_is_the_middle_of_the_crop(stores: list[CropStore]) -> None:
    rng = np.random.default_rng(0)
    crop = stores[0].crop(0)
    image, center, _ = view(crop, stores[0].target_wh(0), 224, STILL, PairChoice(False, False), rng)
    assert center == (112, 112)
    assert (image == crop[48:272, 48:272]).all()
    mirrored, _, _ = view(crop, stores[0].target_wh(0), 224, STILL, PairChoice(True, False), rng)
    assert (mirrored == image[:, ::-1]).all()


def test_a_shifted_view_says_where_the_target_went(stores: list[CropStore]) -> None:
    crop = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
    crop[156:164, 156:164] = 255
    for seed in range(10):
        rng = np.random.default_rng(seed)
        config = AugmentConfig(*[30.0, 0.1, 0.1] + [0.0] * 8)
        image, center, _ = view(crop, np.array([60, 60], np.float32), 223, config, PairChoice(bool(seed % 2), False), rng)
        rows, columns = np.nonzero(image[..., 0] > 127)
        assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx(center, abs=0.7)


def test_every_augmentation_changes_the_picture(stores: list[CropStore]) -> None:
    plain, _ = view(stores[0].crop(0), stores[0].target_wh(0), 223, STILL, PairChoice(False, False), np.random.default_rng(0))
    names = ["brightness", "contrast", "color", "blur", "motion_blur", "occlusion", "scale", "aspect", "shift_px"]
    strengths = {"brightness": 30.0, "contrast": 0.3, "color": 0.2, "shift_px": 20.0}
    for name in names:
        config = AugmentConfig(**{**vars(STILL), name: strengths.get(name, 1.0)})
        image, _, _ = view(
            stores[0].crop(0), stores[0].target_wh(0), 223, config, PairChoice(False, False), np.random.default_rng(3)
        )
        assert (image != plain).any(), name
    gray, _ = view(stores[0].crop(0), stores[0].target_wh(0), 223, STILL, PairChoice(False, True), np.random.default_rng(0))
    assert (gray[..., 0] == gray[..., 2]).all()
