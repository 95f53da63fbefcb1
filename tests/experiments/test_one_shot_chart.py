import cv2
import numpy as np
import pytest
from episodes import OneShot
from one_shot_chart import COLOURS, draw

from siamtrack.verify.metrics import Roc, roc

SHOT = OneShot(0.6, (0.55, 0.65))


def curve(apart: float, count: int = 300) -> Roc:
    rng = np.random.default_rng(0)
    return roc(np.concatenate([rng.normal(0, 1, count), rng.normal(apart, 1, count)]), np.arange(2 * count) < count)


def picture(png: bytes) -> np.ndarray:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def has(image: np.ndarray, colour: str) -> bool:
    return bool((image == [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).all(axis=2).sum() > 100)


@pytest.mark.filterwarnings("error")
def test_curves_and_bars_are_drawn_in_their_colours_and_nothing_is_cut_off() -> None:
    image = picture(draw({"ours": (curve(3), SHOT), "pixels": (curve(1), OneShot(1.0, (0.99, 1.0)))}, 20, "Same?"))
    for half in (image[:, : image.shape[1] // 2], image[:, image.shape[1] * 3 // 5 :]):
        assert has(half, COLOURS[0])
        assert has(half, COLOURS[1])
    many = picture(draw({f"contrastive, euclidean {k}": (curve(1, 50), SHOT) for k in range(9)}, 20, "Same?"))
    assert many.shape[0] > 1.2 * image.shape[0]
    for border in (many[:2], many[-2:], many[:, :2], many[:, -2:]):
        assert (border == 255).all()


def test_few_pairs_show_no_low_rates() -> None:
    picture(draw({"a": (roc([0.0, 1.0], [True, False]), SHOT)}, 5, "t"))
