"""`preset="paper"` beside SiamFC's tracker written anew, with a checkpoint whose keys are siamfc-pytorch's."""

from __future__ import annotations

import math
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from rendered import rendered_frame
from torch.nn import functional

import siamtrack
from siamtrack.api import config_of
from siamtrack.boxes import Box
from siamtrack.errors import ConfigError
from siamtrack.model.weights import load_weights


class ReferenceTracker:
    """SiamFC-3s by arXiv 1606.09549, sections 3.1 and 3.2, with the numbers and the rounding of siamfc-pytorch.

    Crops are whole pixels, resized; three of them a frame. Positions are (y, x), counted from a pixel's middle.
    """

    scales = 1.0375 ** np.array([-1.0, 0.0, 1.0])
    penalty = np.array([0.9745, 1.0, 0.9745])

    def __init__(self, backbone: torch.nn.Module) -> None:
        self.backbone = backbone
        window = np.hanning(16 * 17)
        self.window = np.outer(window, window) / np.outer(window, window).sum()

    def init(self, frame: np.ndarray, box: tuple[float, ...]) -> None:
        x, y, w, h = box
        self.center, self.size = np.array([y + (h - 1) / 2, x + (w - 1) / 2]), np.array([h, w], np.float64)
        self.pad = frame.mean(axis=(0, 1))
        context = self.size.sum() / 2
        self.exemplar_side = float(np.sqrt(np.prod(self.size + context)))
        self.kernel = self.embed([self.crop(frame, self.exemplar_side, 127)])

    def update(self, frame: np.ndarray) -> tuple[float, float, float, float]:
        search_side = self.exemplar_side * 255 / 127
        searches = self.embed([self.crop(frame, search_side * scale, 255) for scale in self.scales])
        response = 1e-3 * functional.conv2d(searches, self.kernel)[:, 0].numpy()
        fine = np.stack([cv2.resize(each, (272, 272), interpolation=cv2.INTER_CUBIC) for each in response])
        fine = fine * self.penalty[:, None, None]
        chosen = int(fine.max(axis=(1, 2)).argmax())
        likely = fine[chosen] - fine[chosen].min()
        mixed = (1 - 0.176) * likely / (likely.sum() + 1e-16) + 0.176 * self.window
        peak = np.array(np.unravel_index(mixed.argmax(), mixed.shape))
        self.center = self.center + (peak - 271 / 2) * 8 / 16 * search_side * self.scales[chosen] / 255
        change = 0.41 + 0.59 * self.scales[chosen]
        self.size, self.exemplar_side = self.size * change, self.exemplar_side * change
        (y, x), (h, w) = self.center, self.size
        return x - (w - 1) / 2, y - (h - 1) / 2, w, h

    def crop(self, frame: np.ndarray, side: float, size: int) -> np.ndarray:
        side = round(side)
        top, left = np.round(self.center - (side - 1) / 2).astype(int)
        room = side + max(frame.shape)
        padded = cv2.copyMakeBorder(frame, room, room, room, room, cv2.BORDER_CONSTANT, value=self.pad)
        patch = padded[top + room : top + room + side, left + room : left + room + side]
        return cv2.resize(patch, (size, size), interpolation=cv2.INTER_LINEAR)

    @torch.no_grad()
    def embed(self, crops: list[np.ndarray]) -> torch.Tensor:
        rgb = np.ascontiguousarray(np.stack(crops)[..., ::-1].transpose(0, 3, 1, 2), np.float32)
        return self.backbone(torch.from_numpy(rgb))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped `siamfc` as siamfc-pytorch has its networks: pixels as they are, no scale and bias but 1e-3."""
    weights = load_weights("siamfc")
    state, spec = {key: torch.from_numpy(np.array(value)) for key, value in weights.state.items()}, weights.header.input
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (spec.mean, spec.std))
    kernel = state["backbone.conv1.0.weight"]
    state["backbone.conv1.0.weight"] = kernel / std
    state["backbone.conv1.0.bias"] = state["backbone.conv1.0.bias"] - (kernel * mean / std).sum(dim=(1, 2, 3))
    for part in ("weight", "bias"):
        state[f"backbone.conv5.0.{part}"] = state[f"backbone.conv5.0.{part}"] * state["head.gain"].sqrt()
    path = tmp_path_factory.mktemp("weights") / "siamfc_alexnet_e50.pth"
    torch.save({key: value for key, value in state.items() if key.startswith("backbone.")}, path)
    return path


def distances(checkpoint: Path, frames: int) -> np.ndarray:
    """Between the centres of ours and the reference, pixels, in each frame but the first of a rendered clip."""
    tracker = siamtrack.load(checkpoint, device="cpu", preset="paper")
    reference = ReferenceTracker(load_weights(checkpoint).net.backbone)
    frame, box = rendered_frame(0)
    tracker.init(frame, box)
    reference.init(frame, box)
    found = []
    for i in range(1, frames):
        frame, _ = rendered_frame(i)
        boxes = [Box(*box) for box in (tracker.update(frame).box, reference.update(frame))]
        found.append(math.dist(*(box.center_xy for box in boxes)))
    return np.array(found)


def test_it_follows_as_the_reference_does(checkpoint: Path) -> None:
    found = distances(checkpoint, 5)
    assert found.mean() < 1, found


@pytest.mark.skipif("SIAMTRACK_LONG_TESTS" not in os.environ, reason="SIAMTRACK_LONG_TESTS is not set: takes 20 s")
def test_it_follows_as_the_reference_does_for_50_frames(checkpoint: Path) -> None:
    found = distances(checkpoint, 50)
    assert found.mean() < 1, found


def test_a_preset_comes_before_other_constants() -> None:
    weights = load_weights("siamfc")
    config = config_of(weights, preset="paper", scale_count=5)
    assert (config.scale_count, config.window_influence, config.penalty_from) == (5, 0.176, "zero")
    assert config.score_weights == config_of(weights).score_weights


def test_what_is_no_preset_of_a_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="no preset 'papers'; did you mean 'paper'"):
        config_of(load_weights("siamfc"), preset="papers")
    with pytest.raises(ConfigError, match="'paper' is for siamfc; siamfc-lite takes sizes from its box head"):
        config_of(load_weights("siamfc-lite"), preset="paper")
