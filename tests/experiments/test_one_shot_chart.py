from pathlib import Path

import cv2
import numpy as np
import pytest
from episodes import OneShot
from one_shot_chart import COLOURS, write_report

from siamtrack.errors import OutputError
from siamtrack.verify.metrics import Roc, roc

SHOT = OneShot(0.6, (0.55, 0.65), 400, 20, 1)


def curve(apart: float, count: int = 300) -> Roc:
    rng = np.random.default_rng(0)
    return roc(np.concatenate([rng.normal(0, 1, count), rng.normal(apart, 1, count)]), np.arange(2 * count) < count)


def picture(path: Path) -> np.ndarray:
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def has(image: np.ndarray, colour: str) -> bool:
    return bool((image == [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).all(axis=2).sum() > 100)


def test_curves_and_bars_are_drawn_in_their_colours(tmp_path: Path) -> None:
    rows = {"ours": (curve(3), SHOT), "pixels": (curve(1), None)}
    write_report(tmp_path / "new" / "report.png", rows, "Same or different?")
    image = picture(tmp_path / "new" / "report.png")
    assert has(image, COLOURS[0])
    assert has(image, COLOURS[1])
    half = image[:, image.shape[1] * 3 // 5 :]
    assert has(half, COLOURS[0])
    assert not has(half, COLOURS[1])  # no accuracy, no bar
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.png"]


@pytest.mark.filterwarnings("error")
def test_without_one_shot_there_is_one_panel_and_odd_rows_do_no_harm(tmp_path: Path) -> None:
    few = roc([0.0, 1.0], [True, False])
    wide, narrow, many = (tmp_path / f"{name}.png" for name in ("wide", "narrow", "many"))
    write_report(wide, {"a": (few, SHOT), "b": (few, OneShot(1.0, (0.99, 1.0), 400, 5, 3))}, "t")
    write_report(narrow, {"": (few, None)}, "")
    assert picture(narrow).shape[1] < 0.7 * picture(wide).shape[1]
    # More rows than colours, names that are formulas, hidden or long: the picture grows and nothing is cut off.
    names = [f"{start} a name that takes more than one line of the legend and of the bars {i}" for i, start in enumerate("$_^")]
    write_report(many, {f"{name} {k}": (curve(1, 50), SHOT) for name in names for k in range(3)}, "$\nt")
    image = picture(many)
    assert image.shape[0] > 1.4 * picture(wide).shape[0]
    for border in (image[:2], image[-2:], image[:, :2], image[:, -2:]):
        assert (border == 255).all()


def test_nothing_to_draw_or_nowhere_to_write_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no rows"):
        write_report(tmp_path / "report.png", {}, "t")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"report\.png cannot be written"):
        write_report(tmp_path / "file" / "report.png", {"a": (curve(1), None)}, "t")
