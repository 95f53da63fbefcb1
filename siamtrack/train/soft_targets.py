"""Finished trackers as a second opinion: their class maps and boxes on the same views, as soft targets.

Labels say where the target is; a trained tracker also says how sure one can be there, what else looks like it, and
where a loose label's sides should be. The networks are ONNX files; they are no part of the package.
Whoever loads the batches asks, so that a GPU need not wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.boxes import iou
from siamtrack.config import nearest
from siamtrack.errors import SiamtrackError
from siamtrack.eval.onnx_peers import PEER_NETWORKS, PeerNetwork, stretched_crop
from siamtrack.model.losses import side_iou
from siamtrack.models import EXEMPLAR_SIZE, STRIDE, response_size
from siamtrack.tracking.crop import mean_color
from siamtrack.train.distributed import ALONE, Group

TEACHER_STRIDE = 16

AGREEMENT = 0.5
"""Least overlap of a teacher's best box with the label's, for the teacher to be heard."""


class SoftTargets(NamedTuple):
    """What the teacher says of the odd view of each target, looked for with the even one, on the student's cells.

    Attributes:
        probability: (T, n, n) that the target's middle is here.
        distances: (T, 4, n, n) to the left, top, right and lower side of the teacher's box, pixels; some may be negative.
        weight: (T, n, n) 1 where the teacher is heard, 0 where it is not.
    """

    probability: Tensor
    distances: Tensor
    weight: Tensor


class SoftTeachers:
    """Finished trackers that are asked in turns, each about its share of the targets: together their mean, at the price of one.

    A teacher is heard where its best box overlaps with the label's; of images without labels none is asked.

    Args:
        folder: holds the networks' own folders. names: keys of `PEER_NETWORKS`; one may be named twice.
        color_order: of the batches' channels.

    Raises:
        SiamtrackError: no such network, or its files are missing.
    """

    def __init__(self, folder: Path, names: Sequence[str], color_order: str) -> None:
        self._folder, self._names, self._rgb = folder, tuple(names), color_order == "rgb"
        for name in self._names:
            if name not in PEER_NETWORKS:
                raise SiamtrackError(f"soft_teachers: no network {name!r}; {nearest(name, PEER_NETWORKS)}")
        self._networks  # noqa: B018  # a missing file is told now, not by a process that loads data

    def __call__(
        self,
        images: NDArray[np.uint8],
        center_xy: NDArray[np.float32],
        size_wh: NDArray[np.float32],
        boxed: NDArray[np.bool_],
        turn: int,
    ) -> SoftTargets:
        """Their word on a batch; some 6 to 20 ms of one core a target.

        Args:
            images: (B, S, S, 3) views, 2i and 2i + 1 of the same target.
            center_xy, size_wh: (B, 2) of the target in each, pixels. boxed: (B,) whether that size bounds an object.
            turn: a number that decides who is asked.
        """
        size = images.shape[1]
        cells = response_size(size)
        nothing = SoftTargets(torch.zeros(1, cells, cells), torch.ones(1, 4, cells, cells), torch.zeros(1, cells, cells))
        found = []
        for slot in range(0, len(images), 2):
            if not boxed[slot]:
                found.append(nothing)
                continue
            network = self._networks[self._names[(turn + slot // 2) % len(self._names)]]
            bgr = [np.ascontiguousarray(image[..., ::-1]) if self._rgb else image for image in images[slot : slot + 2]]
            found.append(ask_teacher(network, bgr, center_xy[slot : slot + 2], size_wh[slot : slot + 2]))
        return SoftTargets(*map(torch.cat, zip(*found, strict=True)))

    def __getstate__(self) -> dict[str, object]:
        # Another process opens the networks itself.
        return {"_folder": self._folder, "_names": self._names, "_rgb": self._rgb}

    @cached_property
    def _networks(self) -> dict[str, PeerNetwork]:
        return {name: PEER_NETWORKS[name](self._folder) for name in self._names}


def ask_teacher(
    network: PeerNetwork, views: Sequence[NDArray[np.uint8]], center_xy: NDArray[np.float32], size_wh: NDArray[np.float32]
) -> SoftTargets:
    """A network's word on one pair.

    Args:
        network: the teacher's.
        views: two, (S, S, 3) BGR. center_xy, size_wh: (2, 2) of the target in each, pixels.
    """
    size = len(views[0])
    pad_color = mean_color(views[0])
    (w, h), middle = (float(value) for value in size_wh[0]), (size / 2, size / 2)
    center = float(center_xy[0, 0]), float(center_xy[0, 1])
    template = network.learn(stretched_crop(views[0], center, network.exemplar_sides((w, h)), network.exemplar_size, pad_color))
    sides, side = network.search_sides((w, h)), network.search_size
    maps = network.find(template, stretched_crop(views[1], middle, sides, side, mean_color(views[1])))
    step = np.array([sides[0] / side, sides[1] / side], np.float32)
    corners = maps.corners * np.tile(step, 2)[:, None, None] + size / 2
    row, column = divmod(int(maps.score.argmax()), maps.score.shape[1])
    x1, y1, x2, y2 = corners[:, row, column]
    best = float(iou([x1, y1, x2 - x1, y2 - y1], [*(center_xy[1] - size_wh[1] / 2), *size_wh[1]]))
    line = TEACHER_STRIDE * (torch.arange(len(maps.score), dtype=torch.float32) - len(maps.score) // 2)
    score, boxes = (torch.from_numpy(np.ascontiguousarray(each, np.float32))[None] for each in (maps.score, corners))
    soft = resampled(score, boxes, line * float(step[0]) + size / 2, line * float(step[1]) + size / 2, size)
    return soft if best >= AGREEMENT else soft._replace(weight=torch.zeros_like(soft.weight))


def resampled(probability: Tensor, corners: Tensor, across: Tensor, down: Tensor, size: int) -> SoftTargets:
    """A teacher's maps on the student's cells.

    Args:
        probability: (T, m, m). corners: (T, 4, m, m) x1, y1, x2, y2 of each cell's box, pixels of the view.
        across, down: (m,) where the teacher's cells are, pixels of the view, evenly spaced.
        size: side of the view.
    """
    here = EXEMPLAR_SIZE / 2 + STRIDE * torch.arange(response_size(size), device=probability.device)
    # grid_sample counts from -1 to 1 between the centres of the outermost cells.
    x, y = ((here - line[0]) / (line[-1] - line[0]) * 2 - 1 for line in (across, down))
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).expand(len(probability), -1, -1, -1)
    maps = torch.cat([probability[:, None], corners], dim=1)
    maps = F.grid_sample(maps, grid.to(maps.dtype), align_corners=True, padding_mode="border")
    x1, y1, x2, y2 = maps[:, 1:].unbind(dim=1)
    column, row = here[None, None, :], here[None, :, None]
    distances = torch.stack([column - x1, row - y1, x2 - column, y2 - row], dim=1)
    # A cell further out than half a teacher's cell is one that the teacher did not see.
    reach = 1 + 1 / (len(across) - 1)
    seen = (grid.abs() <= reach).all(dim=-1).to(maps.dtype)
    return SoftTargets(maps[:, 0], distances, seen)


def soft_loss(target: Tensor, distances: Tensor, soft: SoftTargets, group: Group = ALONE) -> Tensor:
    """Cross-entropy with the teacher's probabilities, and GIoU with its boxes where it is sure; a scalar.

    The cross-entropy is divided by the teacher's mass on the maps, as a focal loss is by its positives.

    Args:
        target: (T, n, n) class logits. distances: (T, 4, n, n) of the student. soft: for the same pairs.
        group: processes over which the teacher's mass is counted.
    """
    mass = group.mean((soft.weight * soft.probability).sum()).clamp(min=1)
    classes = F.binary_cross_entropy_with_logits(target, soft.probability, soft.weight, reduction="sum") / mass
    sure = (soft.weight * soft.probability > 0.5) & (soft.distances > 0).all(dim=1)
    weight = torch.where(sure, soft.probability, 0.0)
    _, giou = side_iou(distances.permute(0, 2, 3, 1), soft.distances.permute(0, 2, 3, 1))
    return 0.1 * classes + ((1 - giou) * weight).sum() / group.mean(weight.sum()).clamp(min=1)
