from __future__ import annotations

import io
import json
import pickle
import tarfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from siamtrack.errors import DataError
from siamtrack.models import EXEMPLAR_SIZE
from siamtrack.tracking.crop import context_side
from siamtrack.train import synthesis
from siamtrack.train.crops import CROP_SIZE
from siamtrack.train.pairs import PairBatches
from siamtrack.train.recipe import Recipe, SourceConfig
from siamtrack.train.session import open_source
from siamtrack.train.synthesis import Synthesis

RED, GREEN = (20, 20, 230), (20, 230, 20)


def write_masks(folder: Path, rows: list[dict[str, Any]] | None = None) -> Path:
    """Two images with an L of one colour each on grey noise, another with nothing; a mask for each L."""
    outline = np.array([[40, 30], [100, 30], [100, 60], [70, 60], [70, 110], [40, 110]])
    rng = np.random.default_rng(0)
    with tarfile.open(folder / "masks.tar", "w") as archive:
        for name, colour in (("red.png", RED), ("green.png", GREEN), ("empty.png", None)):
            image = np.repeat(rng.integers(60, 200, (160, 200, 1), dtype=np.uint8), 3, axis=2)
            if colour is not None:
                cv2.fillPoly(image, [outline], colour)
            data = cv2.imencode(".png", image)[1].tobytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    if rows is None:
        rows = [
            {"image": f"{name}.png", "w": 200, "h": 160, "class": "ell", "polygons": [outline.flatten().tolist()]}
            for name in ("red", "green")
        ]
    (folder / "masks.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder / "masks.tar"


def coloured(crop: NDArray[np.uint8], colour: tuple[int, int, int]) -> tuple[float, float, float, float]:
    """x1, y1, x2, y2 of what is of about a colour."""
    strongest = int(np.argmax(colour))
    others = np.delete(crop, strongest, axis=2).max(axis=2).astype(int)
    rows, columns = np.nonzero(crop[..., strongest].astype(int) - others > 60)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No regions, no motion blur."""
    monkeypatch.setattr(synthesis, "REGION_SHARE", 0.0)
    monkeypatch.setattr(synthesis, "BLUR_SHARE", 0.0)


@pytest.mark.usefixtures("plain")
def test_the_box_bounds_the_object_as_it_was_set(tmp_path: Path) -> None:
    source = Synthesis(write_masks(tmp_path))
    # One object alone: what stands beside or before it would be of its colour.
    source.cutouts = source.cutouts[:1]
    for seed in range(12):
        rng = np.random.default_rng(seed)
        for image, size_wh in source.draw_pair(Quiet(rng)).views:  # type: ignore[arg-type]
            x1, y1, x2, y2 = coloured(image, RED)
            assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx((CROP_SIZE / 2, CROP_SIZE / 2), abs=1.5)
            assert (x2 - x1, y2 - y1) == pytest.approx(tuple(size_wh), abs=3)
            assert context_side(size_wh.tolist()) == pytest.approx(EXEMPLAR_SIZE, abs=0.1)


class Quiet:
    """A generator that never draws a distractor, nor anything in front."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rng, name)

    def choice(self, *args: Any, **options: Any) -> int:
        self._rng.choice(*args, **options)
        return 0

    def random(self) -> float:
        self._rng.random()
        return 0.99


def test_a_seed_gives_the_same_pair_in_every_process(tmp_path: Path) -> None:
    source = Synthesis(write_masks(tmp_path))
    for seed in range(8):
        ours = source.draw_pair(np.random.default_rng(seed))
        theirs = pickle.loads(pickle.dumps(source)).draw_pair(np.random.default_rng(seed))
        assert (ours.instance, ours.boxed) == (theirs.instance, theirs.boxed)
        for (a, a_wh), (b, b_wh) in zip(ours.views, theirs.views, strict=True):
            assert np.array_equal(a, b)
            assert a_wh.tolist() == b_wh.tolist()


def test_a_region_is_the_same_part_of_an_image_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "REGION_SHARE", 1.0)
    source = Synthesis(write_masks(tmp_path))
    instances = set()
    for seed in range(10):
        pair = source.draw_pair(np.random.default_rng(seed))
        instances.add(pair.instance)
        same = [region(image, size_wh) for image, size_wh in pair.views]
        assert float(np.abs(same[0] - same[1]).mean()) < 0.5 * float(same[0].std())
        assert pair.boxed
    # No class of objects is a region's instance.
    assert min(instances) >= 1
    assert max(instances) < source.instances


def region(image: NDArray[np.uint8], size_wh: NDArray[np.float32]) -> NDArray[np.float64]:
    (x1, y1), (x2, y2) = ((CROP_SIZE / 2 + sign * size_wh / 2).round().astype(int) for sign in (-1, 1))
    return cv2.resize(image[y1:y2, x1:x2], (16, 16), interpolation=cv2.INTER_AREA).astype(np.float64)


def test_objects_of_the_targets_class_stand_beside_it(tmp_path: Path) -> None:
    source = Synthesis(write_masks(tmp_path))
    both = 0
    for seed in range(40):
        pair = source.draw_pair(np.random.default_rng(seed))
        both += all(views_have(pair.views, colour) for colour in (RED, GREEN))
    assert both >= 8


def views_have(views: Any, colour: tuple[int, int, int]) -> bool:
    strongest = int(np.argmax(colour))
    others = [np.delete(image, strongest, axis=2).max(axis=2).astype(int) for image, _ in views]
    return any(bool((image[..., strongest] - other > 80).any()) for (image, _), other in zip(views, others, strict=True))


def test_masks_that_are_cut_off_or_tiny_are_left_out(tmp_path: Path) -> None:
    square = [10, 10, 60, 10, 60, 60, 10, 60]
    rows = [
        {"image": "red.png", "w": 200, "h": 160, "class": "whole", "polygons": [square]},
        {"image": "red.png", "w": 200, "h": 160, "class": "cut", "polygons": [[value - 10 for value in square]]},
        {"image": "red.png", "w": 200, "h": 160, "class": "tiny", "polygons": [[10, 10, 60, 10, 60, 20, 10, 20]]},
        {"image": "gone.png", "w": 200, "h": 160, "class": "gone", "polygons": [square]},
    ]
    assert [cutout.label for cutout in Synthesis(write_masks(tmp_path, rows)).cutouts] == ["whole"]
    with pytest.raises(DataError, match="no mask that is whole"):
        Synthesis(write_masks(tmp_path, rows[1:]))
    with pytest.raises(DataError, match="line 1 is no mask"):
        Synthesis(write_masks(tmp_path, [{"image": "red.png"}]))
    (tmp_path / "masks.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match=r"masks\.jsonl not found"):
        Synthesis(tmp_path / "masks.tar")


def test_a_recipe_names_it_as_a_source(tmp_path: Path) -> None:
    write_masks(tmp_path)
    source = SourceConfig("masks.tar", kind=synthesis.KIND)
    recipe = Recipe(sources=(source,), batch_size=8, steps=2, search_size=159, search_size_start=159)
    batch = PairBatches([open_source(source, tmp_path, tmp_path)], recipe)[0]
    assert batch.images.shape == (8, 159, 159, 3)
    assert batch.boxed.all()
