from __future__ import annotations

import csv
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import pytest
import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler

from siamtrack.errors import ConfigError, SiamtrackError
from siamtrack.model.siamese import Siamese
from siamtrack.model.weights import load_weights
from siamtrack.train.bookkeeping import StepReport, load_checkpoint
from siamtrack.train.crops import CropStore
from siamtrack.train.loop import _accumulate, _load, _update, train
from siamtrack.train.objective import Objective
from siamtrack.train.pairs import Batch, PairBatches
from siamtrack.train.recipe import Recipe, SourceConfig
from siamtrack.train.tracker_task import start_network, tracker_task

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


class Run(NamedTuple):
    net: Siamese
    reports: list[StepReport]
    out: Path


def run(recipe: Recipe, stores: list[CropStore], out: Path, stop_after: int | None = None, workers: int = 0) -> Run:
    reports: list[StepReport] = []
    net = train(tracker_task(recipe, stores), out, workers=workers, stop_after=stop_after, report=reports.append)
    return Run(net, reports, out)


@pytest.fixture(scope="module")
def whole(stores: list[CropStore], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """An uninterrupted run."""
    return run(RECIPE, stores, tmp_path_factory.mktemp("whole"))


def test_training_lowers_the_loss(stores: list[CropStore], tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=24, epoch_steps=24, schedule="cosine")
    losses = [report.loss for report in run(recipe, stores, tmp_path).reports]
    assert sum(losses[-6:]) < 0.88 * sum(losses[:6])


def test_no_step_is_told_to_have_taken_no_time(whole: Run) -> None:
    # The last step of an epoch is read off at once: its rate must be its own, not that of the reading.
    seconds = [RECIPE.batch_size / report.pairs_per_s for report in whole.reports]
    assert min(seconds) > 0.01 * sorted(seconds)[len(seconds) // 2]


def test_a_step_says_how_long_it_waited_for_its_batch(stores: list[CropStore], tmp_path: Path) -> None:
    class Slow(PairBatches):
        def __getitem__(self, step: int) -> Batch:
            time.sleep(0.2)
            return super().__getitem__(step)

    reports: list[StepReport] = []
    task = replace(tracker_task(RECIPE, stores), batches=Slow(stores, RECIPE))
    train(task, tmp_path, workers=0, stop_after=3, report=reports.append)
    for report in reports:
        seconds = RECIPE.batch_size / report.pairs_per_s
        assert 0.2 <= report.waited * seconds < seconds
    with (tmp_path / "log.csv").open() as lines:
        assert [float(row["waited"]) for row in csv.DictReader(lines)] == pytest.approx([r.waited for r in reports], abs=1e-3)


def test_loading_processes_use_one_thread_of_opencv_and_this_one_keeps_its_own(stores: list[CropStore]) -> None:
    class Threads(PairBatches):
        def __getitem__(self, step: int) -> Batch:
            return replace(super().__getitem__(step), instance=torch.tensor([cv2.getNumThreads()] * 4))

    threads = cv2.getNumThreads()
    Threads(stores, RECIPE)[0]  # warps here first: the child is forked from a process that has threads
    cv2.setNumThreads(3)
    try:
        loaded = _load(Threads(stores, RECIPE), range(2), workers=1, pin=False)
        assert [batch.instance[0].item() for batch in loaded] == [1, 1]  # type: ignore[attr-defined]
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(threads)


def test_a_run_that_was_stopped_and_broken_off_equals_an_uninterrupted_one(
    stores: list[CropStore], whole: Run, tmp_path: Path
) -> None:
    class PowerCut(Exception):
        pass

    def cut(done: StepReport) -> None:
        if done.step == 4:
            raise PowerCut

    run(RECIPE, stores, tmp_path, stop_after=3)
    with pytest.raises(PowerCut):
        train(tracker_task(RECIPE, stores), tmp_path, workers=0, report=cut)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 4
    resumed = run(RECIPE, stores, tmp_path, workers=1)
    assert [report.step for report in resumed.reports] == [4, 5]
    state = resumed.net.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in whole.net.state_dict().items())
    with (tmp_path / "log.csv").open() as lines:
        assert [int(row["step"]) for row in csv.DictReader(lines)] == list(range(6))


def test_a_run_does_not_resume_under_another_recipe(stores: list[CropStore], whole: Run) -> None:
    with pytest.raises(ConfigError, match="other values of lr, seed"):
        run(replace(RECIPE, lr=5e-4, seed=9), stores, whole.out)


def test_a_run_resumes_that_was_begun_before_its_recipe_had_a_key(whole: Run, tmp_path: Path) -> None:
    state = torch.load(whole.out / "checkpoint.pt", weights_only=True)
    del state["recipe"]["augment"]["rotate_deg"], state["recipe"]["ema"]
    torch.save(state, tmp_path / "checkpoint.pt")
    resumed = load_checkpoint(tmp_path / "checkpoint.pt", RECIPE)
    assert resumed is not None
    assert resumed["step"] == state["step"]
    with pytest.raises(ConfigError, match="other values of augment;"):
        load_checkpoint(tmp_path / "checkpoint.pt", replace(RECIPE, augment=replace(RECIPE.augment, rotate_deg=5.0)))


def test_a_checkpoint_is_a_model_that_loads(whole: Run) -> None:
    loaded = load_weights(whole.out / "checkpoint.pt").net.state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in whole.net.state_dict().items())


def test_the_best_weights_are_kept_and_survive_a_resume(stores: list[CropStore], tmp_path: Path) -> None:
    recipe = replace(RECIPE, validate_epochs=1)
    seen: list[torch.Tensor] = []

    def validate(net: Siamese) -> dict[str, float]:
        assert not net.training
        seen.append(net.backbone.conv5[0].weight.detach().clone())
        return {"ao": [0.3, 0.6, 0.4][len(seen) - 1]}

    train(tracker_task(recipe, stores), tmp_path, workers=0, validate=validate, stop_after=4)
    result = train(tracker_task(recipe, stores), tmp_path, workers=0, validate=validate)
    assert torch.equal(result.backbone.conv5[0].weight, seen[1])
    assert not torch.equal(seen[1], seen[2])
    with (tmp_path / "val.csv").open() as lines:
        rows = [(row["step"], row["ao"]) for row in csv.DictReader(lines)]
    assert rows == [("2", "0.3000"), ("4", "0.6000"), ("6", "0.4000")]


def test_a_loss_that_is_not_finite_stops_the_run(stores: list[CropStore], tmp_path: Path) -> None:
    with pytest.raises(SiamtrackError, match=r"loss is .* at step \d+ \(.*not finite.*\); lower lr"):
        run(replace(RECIPE, lr=1e12, clip_norm=1e12), stores, tmp_path)


def test_the_classic_recipe_trains_too(stores: list[CropStore], tmp_path: Path) -> None:
    classic = Recipe(sources=RECIPE.sources, steps=2, batch_size=4, search_size=159, search_size_start=159)
    assert (classic.optimizer, classic.schedule, classic.lr, classic.softmax_weight) == ("sgd", "exponential", 1e-2, 0.0)
    assert all(set(report.parts) == {"logistic", "hit"} for report in run(classic, stores, tmp_path).reports)


def test_mixed_precision_takes_the_same_path(stores: list[CropStore], tmp_path: Path) -> None:
    losses = {}
    for precision in ("float32", "bfloat16", "float16"):  # AlexNet takes half a minute for a step in float16 on a CPU
        recipe = replace(RECIPE, model="siamfc-lite", precision=precision)  # type: ignore[arg-type]
        losses[precision] = [done.loss for done in run(recipe, stores, tmp_path / precision, stop_after=2).reports]
    exact = losses.pop("float32")
    for other in losses.values():
        assert other == pytest.approx(exact, rel=0.05)
        assert other != exact


def test_slices_of_a_batch_add_up_to_its_gradient(stores: list[CropStore], tmp_path: Path) -> None:
    # Without negatives from other targets and with norms that no longer learn, slices must change nothing.
    recipe = replace(RECIPE, softmax_weight=0.0, batch_size=8, optimizer="sgd", steps=1, clip_norm=1e9)
    torch.manual_seed(0)
    batch = PairBatches(stores, recipe)[0]
    gradients = []
    for count in (1, 2):
        objective = Objective(start_network(recipe), recipe).eval()
        _accumulate(objective, batch, replace(recipe, accumulate=count), GradScaler("cpu", enabled=False))
        gradients.append(objective.net.backbone.conv3[0].weight.grad)
    assert torch.allclose(gradients[0], gradients[1], atol=1e-5 * float(gradients[0].abs().max()))
    (report,) = run(replace(RECIPE, batch_size=8, accumulate=2), stores, tmp_path, stop_after=1).reports
    assert set(report.parts) == {"logistic", "softmax", "hit"}


def stepped(scaler: GradScaler, gradient: float) -> tuple[float, float]:
    """One step of a one-weight model with the given gradient: the norm that it reports, and the weight after it."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scaler.scale((model.weight * gradient).sum()).backward()
    return float(_update(optimizer, scaler, model, 1e9)), model.weight.item()


def test_scaling_the_loss_does_not_change_a_step() -> None:
    assert stepped(GradScaler("cpu"), 0.5) == stepped(GradScaler("cpu", enabled=False), 0.5) == (0.5, -0.5)


def test_a_step_that_overflows_is_left_out_and_the_factor_halved() -> None:
    scaler = GradScaler("cpu")
    assert stepped(scaler, 1.0) == (1.0, -1.0)
    before = scaler.get_scale()
    assert stepped(scaler, math.inf) == (0.0, 0.0)
    assert scaler.get_scale() == before / 2


def test_gradients_that_are_too_large_by_themselves_are_seen() -> None:
    scaler = GradScaler("cpu")
    norms = [stepped(scaler, math.inf)[0] for _ in range(20)]
    assert norms[0] == 0
    assert not math.isfinite(norms[-1])


def test_the_factor_on_the_loss_goes_on_from_a_checkpoint(stores: list[CropStore], tmp_path: Path) -> None:
    task = replace(tracker_task(RECIPE, stores), float16=True)  # the loss is scaled, whatever the network computes in
    train(task, tmp_path, workers=0, stop_after=1)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    state["scaler"]["scale"] /= 4
    torch.save(state, tmp_path / "checkpoint.pt")
    train(task, tmp_path, workers=0, stop_after=2)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["scaler"]["scale"] == state["scaler"]["scale"]
