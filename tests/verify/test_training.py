"""Training verifiers: splits, batches, the three losses, resume, and what the weights file then states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from glyphs import write_letters, write_strokes

from siamtrack.data.labelled import Classes, Pairs, open_classes, open_pairs
from siamtrack.errors import ConfigError, DataError
from siamtrack.model.weights import load_weights
from siamtrack.train.bookkeeping import StepReport
from siamtrack.train.session import TrainSession, Watcher
from siamtrack.verify.batches import ItemBatches, augment_picture, augment_sequence
from siamtrack.verify.header import TowerSpec
from siamtrack.verify.network import AlexNetTower, load_verifier
from siamtrack.verify.training import split, train_verifier, verifier_task, without_broken
from siamtrack.verify.verifier_recipe import ItemAugmentConfig, VerifierRecipe

RECIPE = VerifierRecipe(
    tower=TowerSpec("cnn", dim=16, size=32, gray=True, width=8),
    loss="triplet",
    margin=0.3,
    steps=40,
    epoch_steps=20,
    batch_size=32,
    lr=3e-3,
)


class Quiet(Watcher):
    """A watcher that passes reports on."""

    def __init__(self, report: Callable[[StepReport], None] = lambda _: None) -> None:
        self.report = report

    def step(self, report: StepReport, total: int) -> None:
        assert total >= 1
        self.report(report)


def on(data: Path, out: Path, workers: int = 0, stop_after: int | None = None) -> TrainSession:
    return TrainSession(data, out, device="cpu", workers=workers, stop_after=stop_after)


@pytest.fixture(scope="module")
def pairs(letters: Path) -> Path:
    """A CSV beside the letters: each letter with itself in another font, and with another letter."""
    rng = np.random.default_rng(0)
    data = open_classes(letters)
    lines = []
    for k in range(len(data.items)):
        for same in (True, False):
            others = np.flatnonzero((data.classes == data.classes[k]) == same)
            a, b = (data.items[j].relative_to(letters) for j in (k, int(rng.choice(others[others != k]))))
            lines.append(f"{a},{b},{0 if same else 1}")
    (letters / "pairs.csv").write_text("a,b,label\n" + "\n".join(lines) + "\n")
    return letters / "pairs.csv"


def test_classes_that_are_held_out_are_not_trained_on(letters: Path) -> None:
    data = open_classes(letters)
    train, test, what = split(data, 0.25, seed=0)
    assert what == "classes"
    assert isinstance(train, Classes)
    assert isinstance(test, Classes)
    assert set(train.names) | set(test.names) == set(data.names)
    assert not set(train.names) & set(test.names)
    assert len(test.names) == 3
    assert split(data, 0.25, seed=1).test.items != test.items
    for part in (train, test):  # the numbers were made anew, and still say which folder an item lies in
        assert [part.names[k] for k in part.classes] == [path.parent.name for path in part.items]


def test_few_classes_give_some_of_their_items(tmp_path: Path) -> None:
    data = open_classes(write_letters(tmp_path / "two", "AB"))
    train, test, what = split(data, 0.2, seed=0)
    assert what == "items"
    assert len(train.items) == 8
    assert len(test.items) == 4
    assert not set(train.items) & set(test.items)
    small = open_classes(write_letters(tmp_path / "small", "AB", (0, 2)))
    with pytest.raises(DataError, match="2 classes of 2 to 2 items leave too little to hold out"):
        split(small, 0.2, seed=0)


def test_pairs_keep_both_kinds_on_both_sides(pairs: Path) -> None:
    data = open_pairs(pairs)
    train, test, what = split(data, 0.25, seed=0)
    assert what == "pairs"
    assert isinstance(train, Pairs)
    assert isinstance(test, Pairs)
    assert len(train.label) + len(test.label) == len(data.label)
    few = replace(data, first=data.first[:2], second=data.second[:2], label=data.label[:2])
    with pytest.raises(DataError, match="leave none of one kind"):
        split(few, 0.5, seed=0)


def test_a_batch_has_as_many_dissimilar_pairs_as_similar_ones(letters: Path) -> None:
    data = open_classes(letters)
    batch = ItemBatches(data, RECIPE)[3]
    assert batch.items.shape == (32, 1, 32, 32)
    classes, counts = batch.classes.unique(return_counts=True)
    assert counts.tolist() == [4] * 8
    equal = batch.classes[batch.first] == batch.classes[batch.second]
    assert torch.equal(batch.label, (~equal).float())
    assert equal.sum() == (~equal).sum() == 8 * 6
    assert (batch.sources[batch.first] != batch.sources[batch.second]).all()
    again = ItemBatches(data, RECIPE)[3]
    assert torch.equal(batch.items, again.items)  # by seed and step alone
    assert not torch.equal(batch.items, ItemBatches(data, RECIPE)[4].items)
    assert len(classes) == 8


def test_a_class_of_one_item_gives_negatives_alone(tmp_path: Path) -> None:
    root = write_letters(tmp_path / "data", "ABC")
    for path in sorted((root / "C").iterdir())[1:]:
        path.unlink()
    data = open_classes(root)
    batches = ItemBatches(data, replace(RECIPE, batch_size=12))
    for step in range(5):
        batch = batches[step]
        alone = batch.classes == 2
        similar = batch.label == 0
        assert alone.sum() == 4
        assert not alone[batch.first[similar]].any()
        assert alone[batch.first[~similar]].any() or alone[batch.second[~similar]].any()


def test_listed_pairs_are_drawn_half_and_half(pairs: Path) -> None:
    data = open_pairs(pairs)
    batch = ItemBatches(data, replace(RECIPE, loss="contrastive"))[0]
    assert batch.items.shape[0] == 32
    assert batch.label.tolist() == [0.0] * 8 + [1.0] * 8


def test_items_that_cannot_be_read_are_left_out_and_named(tmp_path: Path) -> None:
    root = write_letters(tmp_path / "data", "ABC")
    broken = root / "B" / "0.png"
    broken.write_bytes(b"no picture")
    data, reasons = without_broken(open_classes(root), RECIPE.tower)
    assert len(data.items) == 17
    assert broken not in data.items
    assert len(reasons) == 1
    assert str(broken) in reasons[0]


@pytest.mark.parametrize("loss", ["triplet", "contrastive", "logistic"])
def test_each_loss_teaches_letters_in_fonts(letters: Path, tmp_path: Path, loss: str) -> None:
    reports: list[StepReport] = []
    recipe = replace(RECIPE, loss=loss, margin=0.3 if loss == "triplet" else 1.0)  # type: ignore[arg-type]
    path = train_verifier(recipe, on(letters, tmp_path), Quiet(reports.append))
    losses = [report.loss for report in reports]
    assert sum(losses[-8:]) < 0.8 * sum(losses[:8])
    assert reports[-1].parts["far"] - reports[-1].parts["near"] > reports[0].parts["far"] - reports[0].parts["near"]
    header = load_verifier(path).header
    assert header.training["scores"]["auc"] > 0.6
    assert header.training["scores"]["held_out"] == "classes"
    rates = [point.false_accept for point in header.operating_points]
    thresholds = [point.threshold for point in header.operating_points]
    assert rates == sorted(rates, reverse=True)
    assert thresholds == sorted(thresholds, reverse=True)
    assert (tmp_path / "left_out.txt").read_text() == ""


def test_a_resumed_run_equals_an_uninterrupted_one(letters: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=8, epoch_steps=2, ema=0.9, validate_epochs=2)
    whole = load_verifier(train_verifier(recipe, on(letters, tmp_path / "whole"), Quiet()))
    train_verifier(recipe, on(letters, tmp_path / "parts", stop_after=3), Quiet())
    parts = load_verifier(train_verifier(recipe, on(letters, tmp_path / "parts", workers=1), Quiet()))
    assert whole.sha256 == parts.sha256  # tensors, thresholds and scores alike


@pytest.mark.parametrize("workers", [0, 1])
def test_an_item_that_vanishes_in_mid_run_is_named_in_one_line(tmp_path: Path, workers: int) -> None:
    root = write_letters(tmp_path / "data", "ABCD")

    def vanish(report: StepReport) -> None:
        for path in root.glob("*/*.png"):
            path.unlink()

    recipe = replace(RECIPE, batch_size=8)
    with pytest.raises(FileNotFoundError, match=r"^[^\n]+\.png not found[^\n]*$"):
        train_verifier(recipe, on(root, tmp_path / "run", workers), Quiet(vanish))


def test_sequences_train_a_recurrent_tower(tmp_path: Path) -> None:
    tower = TowerSpec("gru", dim=16, features=2, width=24, length=64)
    recipe = replace(RECIPE, tower=tower, augment=ItemAugmentConfig(noise=0.02), steps=40)
    path = train_verifier(recipe, on(write_strokes(tmp_path / "strokes"), tmp_path / "run"), Quiet())
    assert load_verifier(path).header.training["scores"]["auc"] > 0.7


def test_pairs_of_a_csv_train_and_triplets_of_one_are_refused(pairs: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, loss="contrastive", margin=1.0, steps=10)
    path = train_verifier(recipe, on(pairs, tmp_path / "run"), Quiet())
    assert load_verifier(path).header.training["scores"]["held_out"] == "pairs"
    with pytest.raises(ConfigError, match="lists pairs; triplets need a folder a class"):
        train_verifier(RECIPE, on(pairs, tmp_path / "other"), Quiet())


def test_an_alexnet_tower_starts_from_a_tracker(tmp_path: Path) -> None:
    data = open_classes(write_letters(tmp_path / "data", "AB"))
    tower = TowerSpec("alexnet", dim=8, size=95)
    recipe = replace(RECIPE, tower=tower, init="siamfc", frozen=("conv1",), batch_size=8)
    task = verifier_task(recipe, data)
    net = task.net.tower
    assert isinstance(net, AlexNetTower)
    given = load_weights("siamfc").net.backbone.state_dict()
    assert all(torch.equal(value, given[key]) for key, value in net.backbone.state_dict().items())
    loss, _ = task.objective(task.batches[0])
    loss.backward()
    gradients = {name: p.grad is not None for name, p in net.backbone.named_parameters()}
    assert not any(has for name, has in gradients.items() if name.startswith("conv1"))
    assert all(has for name, has in gradients.items() if name.startswith("conv4"))


def test_what_does_not_fit_is_refused(letters: Path, tmp_path: Path) -> None:
    strokes = write_strokes(tmp_path / "strokes", kinds=10, count=2)
    with pytest.raises(ConfigError, match=r"holds sequences; a tower cnn takes pictures, take gru"):
        train_verifier(RECIPE, on(strokes, tmp_path / "a"), Quiet())
    with pytest.raises(DataError, match=r"rows of finite numbers \(T, 3\) are wanted \(tower.features\), got \(\d+, 2\)"):
        ItemBatches(open_classes(strokes), replace(RECIPE, tower=TowerSpec("gru", features=3)))[0]
    with pytest.raises(ConfigError, match="batch_size 30 must be a multiple of 4"):
        ItemBatches(open_classes(letters), replace(RECIPE, batch_size=30))
    with pytest.raises(ConfigError, match="1 class of 4 items"):
        ItemBatches(open_classes(letters), replace(RECIPE, batch_size=4))
    for values, message in (
        ({"margin": 0.0}, "margin is 0"),
        ({"items_per_class": 1}, "items_per_class is 1"),
        ({"holdout": 1.0}, "holdout is 1"),
        ({"accumulate": 2}, "accumulate must be 1"),
        ({"init": "siamfc"}, "for the tower alexnet"),
        ({"loss": "contrastive", "similarity": "correlation"}, "distances from 0 up"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(RECIPE, **values)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="flip is 2"):
        ItemAugmentConfig(flip=2.0)


def test_an_item_keeps_its_shape_under_augmentation_that_is_switched_off(letters: Path) -> None:
    off = ItemAugmentConfig(rotate_deg=0, scale=0, aspect=0, shift=0, brightness=0, contrast=0, blur=0)
    picture = cv2.imread(str(letters / "A" / "0.png"))
    rng = np.random.default_rng(0)
    assert np.array_equal(augment_picture(picture, off, rng), picture)
    mirrored = augment_picture(picture, replace(off, flip=1.0), rng)
    assert np.array_equal(mirrored, picture[:, ::-1])
    rows = rng.normal(size=(9, 3)).astype(np.float32)
    assert np.allclose(augment_sequence(rows, off, rng), rows)
    turned = augment_sequence(rows, replace(off, rotate_deg=40.0), rng)
    assert np.allclose(np.linalg.norm(turned[:, :2], axis=1), np.linalg.norm(rows[:, :2], axis=1), atol=1e-5)
    assert np.allclose(turned[:, 2], rows[:, 2])
