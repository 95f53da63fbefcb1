"""Small labelled sets that tests render: letters in OpenCV's stroke fonts, and pen strokes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)


def letter(character: str, font: int, thickness: int = 2) -> np.ndarray:
    """A letter, (32, 32, 3) black on white, in the middle."""
    picture = np.full((32, 32, 3), 255, np.uint8)
    (width, height), _ = cv2.getTextSize(character, font, 0.8, thickness)
    cv2.putText(picture, character, ((32 - width) // 2, (32 + height) // 2), font, 0.8, (0, 0, 0), thickness)
    return picture


def write_letters(root: Path, characters: str = "ABCDEFGHKLMN", fonts: tuple[int, ...] = FONTS) -> Path:
    """A folder for each letter, a picture for each font."""
    for character in characters:
        folder = root / character
        folder.mkdir(parents=True)
        for font in fonts:
            cv2.imwrite(str(folder / f"{font}.png"), letter(character, font))
    return root


def stroke(kind: int, rng: np.random.Generator) -> np.ndarray:
    """A pen's way, (T, 2): a wave whose form is its kind, drawn by an unsteady hand, somewhere, at some size."""
    t = np.linspace(0, 2 * np.pi, int(rng.integers(30, 60)))
    way = np.column_stack([t, np.sin((kind + 1) * t) + 0.3 * np.cos(2 * kind * t)])
    return (way + rng.normal(0, 0.05, way.shape)) * rng.uniform(5, 50) + rng.uniform(-100, 100, 2)


def write_strokes(root: Path, kinds: int = 10, count: int = 6) -> Path:
    """A folder for each kind, a CSV with a header for each stroke."""
    rng = np.random.default_rng(0)
    for kind in range(kinds):
        folder = root / f"kind{kind}"
        folder.mkdir(parents=True)
        for k in range(count):
            lines = "\n".join(f"{x:.3f},{y:.3f}" for x, y in stroke(kind, rng))
            (folder / f"{k}.csv").write_text(f"x,y\n{lines}\n")
    return root
