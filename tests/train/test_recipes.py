"""The recipes in configs/ are what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from siamtrack.config import build, load_yaml
from siamtrack.errors import ConfigError, OldKeyWarning
from siamtrack.train.recipe import Recipe
from siamtrack.verify.verifier_recipe import VerifierRecipe

CONFIGS = Path(__file__).parents[2] / "configs"
VERIFIERS = [CONFIGS / "train_verifier.yaml", CONFIGS / "train_objects.yaml"]
RECIPES = sorted(set(CONFIGS.glob("train_*.yaml")) - set(VERIFIERS))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_valid_and_trains_on_the_train_split_alone(path: Path) -> None:
    recipe = build(Recipe, load_yaml(path), path.name)
    assert recipe.sources
    assert all("val" not in source.path and "test" not in source.path for source in recipe.sources)


@pytest.mark.parametrize("path", VERIFIERS, ids=lambda path: path.stem)
def test_every_verifiers_recipe_is_valid(path: Path) -> None:
    recipe = build(VerifierRecipe, load_yaml(path), path.name)
    assert recipe.loss == "triplet"
    assert set(load_yaml(path)) > {"model", "tower", "similarity", "loss", "margin", "holdout"}  # none left to its default


def test_the_recipes_that_people_expect_are_there() -> None:
    assert {path.stem for path in RECIPES} >= {
        f"train_{name}" for name in ("classic", "siamfc", "siamfc-lite", "siamfc-lite_2", "got10k", "smoke")
    }


def test_the_classic_recipe_is_the_papers() -> None:
    recipe = build(Recipe, load_yaml(CONFIGS / "train_classic.yaml"))
    assert (recipe.optimizer, recipe.lr, recipe.lr_end, recipe.schedule) == ("sgd", 1e-2, 1e-5, "exponential")
    assert (recipe.momentum, recipe.weight_decay, recipe.batch_size, recipe.steps) == (0.9, 5e-4, 32, 50_000)
    assert (recipe.softmax_weight, recipe.ema, recipe.init) == (0, 0, "")


def test_every_ablation_builds_on_a_recipe() -> None:
    plan = load_yaml(CONFIGS / "ablations.yaml")
    for name, variant in plan["variants"].items():
        own = {key: value for key, value in variant.items() if key != "base"}
        build(Recipe, {**load_yaml(CONFIGS / variant["base"]), **own}, name)


def test_older_recipes_are_read() -> None:
    old = {"strangers": "hardest", "edge_filters": 0.67, "triplet_weight": 0.0, "triplet_margin": 0.3, "teacher_weight": 1.0}
    with pytest.warns(OldKeyWarning) as notes:
        recipe = build(Recipe, {**old, "teacher_until": 0.7})
    assert recipe == Recipe(negatives="hardest")
    assert [str(note.message).partition(": ")[2].split(" ")[0] for note in notes] == [
        "'strangers'", "'edge_filters'", "'triplet_weight'", "'triplet_margin'", "'teacher_weight'", "'teacher_until'",
    ]  # fmt: skip


def test_wrong_recipes_are_refused_with_the_nearest_right_key() -> None:
    with pytest.raises(ConfigError, match="did you mean 'softmax_weight'"):
        build(Recipe, {"softmax_wieght": 1})
    with pytest.raises(ConfigError, match="frozen names 'conv9'"):
        build(Recipe, {"frozen": ["conv9"]})
    with pytest.raises(ConfigError, match=r"ema is 1\.5"):
        build(Recipe, {"ema": 1.5})
    with pytest.raises(ConfigError, match="jpeg_quality is 0"):
        build(Recipe, {"augment": {"jpeg_quality": 0}})


def test_the_learning_rate_stays_or_falls_in_a_line_after_the_warm_up() -> None:
    stays = Recipe(steps=100, lr=1e-3, lr_end=1e-5, warmup_steps=10, schedule="constant")
    falls = replace(stays, schedule="linear")
    assert [recipe.lr_at(4) for recipe in (stays, falls)] == pytest.approx([5e-4, 5e-4])
    assert [recipe.lr_at(55) for recipe in (stays, falls)] == pytest.approx([1e-3, (1e-3 + 1e-5) / 2])
    assert [recipe.lr_at(100) for recipe in (stays, falls)] == pytest.approx([1e-3, 1e-5])


def test_sizes_of_views_grow_or_are_drawn_by_the_seed() -> None:
    growing = Recipe(steps=400, search_size_start=191, search_size=239)
    assert growing.sizes() == sorted(growing.sizes())
    mixed = replace(growing, search_size_order="mixed")
    assert set(mixed.sizes()[:50]) == {191, 207, 223, 239}
    assert mixed.sizes() == mixed.sizes()
    assert mixed.sizes() != replace(mixed, seed=1).sizes()
    # A run that is made longer has drawn the same until then.
    assert replace(mixed, steps=500).sizes()[:400] == mixed.sizes()


def test_what_is_for_alexnet_alone_is_refused_for_siamfc_lite() -> None:
    with pytest.raises(ConfigError, match="blocks are stem"):
        build(Recipe, {"model": "siamfc-lite", "frozen": ["conv1"]})


def test_recipes_are_checked() -> None:
    with pytest.raises(ValueError, match="127 plus a multiple of 16"):
        Recipe(search_size=200)
    with pytest.raises(ValueError, match="must be positive"):
        Recipe(steps=0)


def test_sizes_and_rates_follow_the_schedule() -> None:
    recipe = Recipe(steps=8, search_size_start=175, search_size=223, lr=1.0, lr_end=0.01, schedule="cosine", warmup_steps=2)
    assert recipe.sizes() == [175, 175, 191, 191, 207, 207, 223, 223]
    assert [recipe.lr_at(step) for step in (0, 1, 2, 8)] == pytest.approx([0.5, 1.0, 1.0, 0.01])
    exponential = Recipe(steps=4, lr=1.0, lr_end=0.0001)
    assert [exponential.lr_at(step) for step in range(5)] == pytest.approx([1, 0.1, 0.01, 0.001, 0.0001])
