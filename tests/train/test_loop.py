from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import torch
from torch.utils.data import DataLoader, Subset

from siamtrack.errors import ConfigError, DataError, SiamtrackError
from siamtrack.model.siamese import Siamese
from siamtrack.model.weights import load_weights
from siamtrack.train.crops import CropStore
from siamtrack.train.log import StepReport
from siamtrack.train.loop import _accumulate, _batches
from siamtrack.train.loop import train as train_task
from siamtrack.train.objective import Objective, cut_exemplars, siamese_loss
from siamtrack.train.pairs import Batch, PairBatches
from siamtrack.train.precision import LossScaler
from siamtrack.train.recipe import Recipe, SourceConfig
from siamtrack.train.start import start_network
from siamtrack.train.teacher import Teacher
from siamtrack.train.tracker_task import tracker_task
from siamtrack.train.tracker_task import train_tracker as train

RECIPE = Recipe(
    sources=(SourceConfig("videos", 2), SourceConfig("stills", 1)),
    steps=6,
    epoch_steps=2,
    batch_size=4,
    search_size=159,
    search_size_start=159,
    optimizer="adamw",
    lr=1e-3,
    softmax_weight=1.0,
)


def weights_of(net: Siamese) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in net.state_dict().items()}


@pytest.fixture(scope="module")
def whole(stores: list[CropStore], tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The weights to which an uninterrupted run comes."""
    return weights_of(train(RECIPE, stores, tmp_path_factory.mktemp("whole"), workers=0))


def losses_of(precision: str, stores: list[CropStore], out: Path) -> list[float]:
    """The losses of two steps."""
    seen: list[float] = []
    recipe = replace(RECIPE, precision=precision)  # type: ignore[arg-type]
    train(recipe, stores, out, workers=0, stop_after=2, report=lambda done: seen.append(done.loss))
    return seen


@pytest.fixture(scope="module")
def exact_losses(stores: list[CropStore], tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    return losses_of("float32", stores, tmp_path_factory.mktemp("float32"))


def test_training_lowers_the_loss(stores: list[CropStore], tmp_path: Path) -> None:
    reports: list[StepReport] = []
    recipe = Recipe(**{**vars(RECIPE), "steps": 16, "epoch_steps": 16, "schedule": "cosine"})
    train(recipe, stores, tmp_path, workers=0, report=reports.append)
    losses = [report.loss for report in reports]
    assert sum(losses[-6:]) < 0.9 * sum(losses[:6])


def test_no_step_is_told_to_have_taken_no_time(stores: list[CropStore], tmp_path: Path) -> None:
    # The last step of an epoch is read off at once: its rate must be its own, not that of the reading.
    reports: list[StepReport] = []
    train(RECIPE, stores, tmp_path, workers=0, report=reports.append)
    seconds = [RECIPE.batch_size / report.pairs_per_s for report in reports]
    assert min(seconds) > 0.01 * sorted(seconds)[len(seconds) // 2]


def test_a_step_says_how_long_it_waited_for_its_batch(stores: list[CropStore], tmp_path: Path) -> None:
    class Slow(PairBatches):
        def __getitem__(self, step: int) -> Batch:
            time.sleep(0.2)
            return super().__getitem__(step)

    reports: list[StepReport] = []
    task = tracker_task(RECIPE, stores)
    train_task(replace(task, batches=Slow(stores, RECIPE)), tmp_path, workers=0, report=reports.append)
    for report in reports:
        seconds = RECIPE.batch_size / report.pairs_per_s
        assert 0.2 <= report.waited * seconds < seconds
    with (tmp_path / "log.csv").open() as lines:
        assert [float(row["waited"]) for row in csv.DictReader(lines)] == pytest.approx([r.waited for r in reports], abs=1e-3)


def test_loading_processes_use_one_thread_of_opencv_and_this_one_keeps_its_own(stores: list[CropStore]) -> None:
    class Threads(PairBatches):
        def __getitem__(self, step: int) -> Batch:
            return replace(super().__getitem__(step), family=torch.tensor([cv2.getNumThreads()] * 4))

    threads = cv2.getNumThreads()
    Threads(stores, RECIPE)[0]  # warps here first: the child is forked from a process that has threads
    cv2.setNumThreads(3)
    try:
        loader = DataLoader(Subset(Threads(stores, RECIPE), range(2)), batch_size=None, num_workers=1)
        assert [batch.family[0].item() for batch in _batches(loader)] == [1, 1]  # type: ignore[attr-defined]
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(threads)


def test_a_resumed_run_equals_an_uninterrupted_one(
    stores: list[CropStore], whole: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    train(RECIPE, stores, tmp_path / "parts", workers=0, stop_after=3)
    parts = weights_of(train(RECIPE, stores, tmp_path / "parts", workers=1))
    for key, value in whole.items():
        assert torch.equal(value, parts[key]), key
    with (tmp_path / "parts/log.csv").open() as lines:
        assert [int(row["step"]) for row in csv.DictReader(lines)] == list(range(6))


def test_a_killed_training_goes_on_from_its_last_checkpoint(
    stores: list[CropStore], whole: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    # A real process, killed with a real signal somewhere after its first checkpoint.
    code = (
        "import sys; sys.path[:0] = sys.argv[3:]\n"
        "from pathlib import Path\n"
        "from siamtrack.train.crops import CropStore\n"
        "from siamtrack.train.tracker_task import train_tracker as train\n"
        "from test_loop import RECIPE\n"
        "train(RECIPE, [CropStore(Path(p)) for p in sys.argv[1].split(',')], sys.argv[2], workers=0)\n"
    )
    out = tmp_path / "killed"
    paths = ",".join(str(store.path) for store in stores)
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    process = subprocess.Popen([sys.executable, "-c", code, paths, str(out), *folders])
    deadline = time.monotonic() + 60
    while not (out / "checkpoint.pt").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert torch.load(out / "checkpoint.pt", weights_only=True)["step"] < RECIPE.steps
    resumed = weights_of(train(RECIPE, stores, out, workers=0))
    assert all(torch.equal(value, resumed[key]) for key, value in whole.items())


def test_a_run_does_not_resume_under_another_recipe(stores: list[CropStore], tmp_path: Path) -> None:
    train(RECIPE, stores, tmp_path, workers=0, stop_after=1)
    with pytest.raises(ConfigError, match="other values of lr, seed"):
        train(Recipe(**{**vars(RECIPE), "lr": 5e-4, "seed": 9}), stores, tmp_path, workers=0)


def test_a_checkpoint_is_a_model_that_loads(stores: list[CropStore], tmp_path: Path) -> None:
    net = train(RECIPE, stores, tmp_path, workers=0, stop_after=1)
    loaded = load_weights(tmp_path / "checkpoint.pt")
    assert all(torch.equal(value, loaded.net.state_dict()[key]) for key, value in net.state_dict().items())


def test_a_loss_that_is_not_finite_stops_the_run(stores: list[CropStore], tmp_path: Path) -> None:
    with pytest.raises(SiamtrackError, match=r"loss is .* at step \d+ \(.*not finite.*\); lower lr"):
        train(Recipe(**{**vars(RECIPE), "lr": 1e12, "clip_norm": 1e12}), stores, tmp_path, workers=0)


def test_the_classic_recipe_trains_too(stores: list[CropStore], tmp_path: Path) -> None:
    classic = Recipe(sources=RECIPE.sources, steps=2, batch_size=4, search_size=159, search_size_start=159)
    assert (classic.optimizer, classic.schedule, classic.lr, classic.softmax_weight) == ("sgd", "exponential", 1e-2, 0.0)
    reports: list[StepReport] = []
    train(classic, stores, tmp_path, workers=0, report=reports.append)
    assert all(set(report.parts) == {"logistic", "hit"} for report in reports)


def test_the_teacher_is_learned_from(stores: list[CropStore], tmp_path: Path) -> None:
    reports: list[StepReport] = []
    recipe = Recipe(**{**vars(RECIPE), "teacher_weight": 1.0})
    train(recipe, stores, tmp_path, workers=0, report=reports.append)
    assert "teacher" in reports[0].parts
    assert "teacher" not in reports[-1].parts  # its weight has fallen to zero by then
    assert reports[3].parts["teacher"] < reports[0].parts["teacher"]


def test_the_frozen_teacher_follows_to_another_device_and_is_not_saved() -> None:
    teacher = Teacher()
    assert all(key.startswith(("projection", "normalise")) for key in teacher.state_dict())
    moved = teacher.to("meta")
    assert {p.device.type for p in moved._frozen[0].parameters()} == {"meta"}


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_takes_the_same_path(
    stores: list[CropStore], exact_losses: list[float], tmp_path: Path, precision: str
) -> None:
    losses = losses_of(precision, stores, tmp_path)
    assert losses == pytest.approx(exact_losses, rel=0.05)
    assert losses != exact_losses


def test_exemplars_are_cut_where_the_target_is() -> None:
    embedding = torch.arange(2 * 1 * 18 * 18, dtype=torch.float32).reshape(2, 1, 18, 18)
    exemplar, offset = cut_exemplars(embedding, torch.tensor([[111.5, 111.5], [127.5, 79.5]]))
    assert offset.tolist() == [[6, 6], [8, 2]]  # x before y
    assert torch.equal(exemplar[0], embedding[0, :, 6:12, 6:12])
    assert torch.equal(exemplar[1], embedding[1, :, 2:8, 8:14])


def test_the_loss_is_lowest_where_the_labels_say() -> None:
    # Embeddings with one bright cell each, at the target: the response peaks exactly where the label is.
    torch.manual_seed(0)
    net = Siamese()
    centers = torch.tensor([[111.5, 111.5], [127.5, 95.5], [111.5, 111.5], [95.5, 119.5]])
    embedding = torch.zeros(4, 256, 18, 18)
    for i, (x, y) in enumerate(((6, 6), (8, 4), (6, 6), (4, 7))):
        embedding[i, i // 2, y + 2, x + 2] = 100.0
    family, boxed = torch.tensor([0, 0, 1, 1]), torch.ones(4, dtype=torch.bool)
    batch = Batch(torch.empty(0), centers, torch.full((4, 2), 60.0), family, boxed)
    loss, parts = siamese_loss(net, embedding, batch, RECIPE)
    assert parts["hit"] == 1.0
    moved, _ = siamese_loss(net, embedding.roll(5, dims=-1)[[0, 1, 2, 3]].roll(1, dims=0), batch, RECIPE)
    assert loss < moved


def test_recipes_are_checked() -> None:
    with pytest.raises(ValueError, match="127 plus a multiple of 16"):
        Recipe(search_size=200)
    with pytest.raises(ValueError, match="must be positive"):
        Recipe(steps=0)
    recipe = Recipe(steps=8, search_size_start=175, search_size=223, lr=1.0, lr_end=0.01, schedule="cosine", warmup_steps=2)
    assert recipe.sizes() == [175, 175, 191, 191, 207, 207, 223, 223]
    assert [round(recipe.lr_at(step), 3) for step in (0, 1, 2, 7)][:3] == [0.5, 1.0, 1.0]
    assert recipe.lr_at(8) == pytest.approx(0.01)
    assert Recipe(steps=10, teacher_weight=1.0, teacher_until=0.5).teacher_weight_at(5) == 0
    assert Recipe(steps=10, teacher_weight=1.0, teacher_until=0.0).teacher_weight_at(0) == 0


def test_a_source_without_a_usable_target_is_refused(tmp_path: Path, got10k_root: Path) -> None:
    from siamtrack.train.prepare import open_store

    folder = tmp_path / "data" / "empty"
    folder.mkdir(parents=True)
    (folder / "groundtruth.txt").write_text("0,0,0,0\n" * 6)
    for image in (got10k_root / "GOT-10k_Train_000001").glob("*.jpg"):
        (folder / image.name).write_bytes(image.read_bytes())
    with pytest.raises(DataError, match="no target large enough"):
        open_store(tmp_path / "data", tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.part"))


def test_slices_of_a_batch_add_up_to_its_gradient(stores: list[CropStore], tmp_path: Path) -> None:
    # Without negatives from other targets and with norms that no longer learn, slices must change nothing.
    recipe = Recipe(
        **{**vars(RECIPE), "softmax_weight": 0.0, "batch_size": 8, "optimizer": "sgd", "steps": 1, "clip_norm": 1e9}
    )
    torch.manual_seed(0)
    batch = PairBatches(stores, recipe)[0]
    gradients = []
    for count in (1, 2):
        objective = Objective(start_network(recipe), None, recipe).eval()
        _accumulate(
            objective, batch, Recipe(**{**vars(recipe), "accumulate": count}), 0, LossScaler(torch.device("cpu"), False)
        )
        gradients.append(objective.net.backbone.conv3[0].weight.grad)
    assert torch.allclose(gradients[0], gradients[1], atol=1e-5 * float(gradients[0].abs().max()))
    reports: list[StepReport] = []
    sliced = Recipe(**{**vars(RECIPE), "batch_size": 8, "accumulate": 2})
    train(sliced, stores, tmp_path, workers=0, stop_after=1, report=reports.append)
    assert set(reports[0].parts) == {"logistic", "softmax", "hit"}
    with pytest.raises(ConfigError, match="must be a multiple of 4 for each of 1 processes and 3 slices: of 12"):
        train(Recipe(**{**vars(RECIPE), "batch_size": 8, "accumulate": 3}), stores, tmp_path / "b", workers=0)


def test_a_run_starts_from_other_weights(stores: list[CropStore], tmp_path: Path) -> None:
    recipe = Recipe(**{**vars(RECIPE), "model": "siamfc-box", "init": "siamfc", "frozen": ("conv1",), "steps": 2})
    shipped = load_weights("siamfc").net
    net = start_network(recipe)
    assert torch.equal(net.backbone.conv4[0].weight, shipped.backbone.conv4[0].weight)
    trained = train(recipe, stores, tmp_path, workers=0)
    assert torch.equal(trained.backbone.conv1[0].weight, shipped.backbone.conv1[0].weight)
    assert not torch.equal(trained.backbone.conv2[0].weight, shipped.backbone.conv2[0].weight)
    with pytest.raises(ConfigError, match="was trained on"):
        start_network(Recipe(**{**vars(recipe), "color_order": "bgr"}))
