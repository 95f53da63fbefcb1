"""A finished tracker as a second opinion: NanoTrackV2's class map and boxes on the same views, as soft targets.

Labels say where the target is; a trained tracker also says how sure one can be there, what else looks like it, and
where a loose label's sides should be. The networks are two ONNX files that OpenCV runs; they are no part of the package.
Whoever loads the batches asks, so that a GPU need not wait for it.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.model.backbone import EXEMPLAR_SIZE, STRIDE
from siamtrack.model.losses import side_iou
from siamtrack.train.distributed import ALONE, Group

SEARCH_SIZE = 255
TEACHER_STRIDE = 16


class SoftTargets(NamedTuple):
    """What the teacher says of the odd view of each target, looked for with the even one, on the student's cells.

    Attributes:
        probability: (T, n, n) that the target's middle is here.
        distances: (T, 4, n, n) to the left, top, right and lower side of the teacher's box, pixels; some may be negative.
    """

    probability: Tensor
    distances: Tensor


class NanoTeacher:
    """NanoTrackV2 as OpenCV's TrackerNano has it, but with its maps in the open.

    Args:
        folder: holds `backbone.onnx` and `head.onnx`.
        color_order: of the batches' channels; the teacher itself wants BGR.

    Raises:
        FileNotFoundError: one of the files is missing.
    """

    def __init__(self, folder: Path, color_order: str) -> None:
        for name in ("backbone.onnx", "head.onnx"):
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f"{folder / name} not found; soft targets need NanoTrackV2's backbone.onnx and head.onnx"
                )
        self._folder, self._rgb = folder, color_order == "rgb"

    def __call__(self, images: NDArray[np.uint8], center_xy: NDArray[np.float32]) -> SoftTargets:
        """Ask the teacher; some 10 ms of one core a target.

        Args:
            images: (B, S, S, 3) views, 2i and 2i + 1 of the same target. center_xy: (B, 2) its centre in each, pixels.
        """
        found = [self._look(images[i], images[i + 1], center_xy[i]) for i in range(0, len(images), 2)]
        logits, boxes = (torch.from_numpy(np.concatenate(maps)) for maps in zip(*found, strict=True))
        return on_cells(logits, boxes, images.shape[1])

    def __getstate__(self) -> dict[str, object]:
        # Another process opens the networks itself.
        return {"_folder": self._folder, "_rgb": self._rgb}

    @cached_property
    def _backbone(self) -> cv2.dnn.Net:
        return cv2.dnn.readNetFromONNX(str(self._folder / "backbone.onnx"))

    @cached_property
    def _head(self) -> cv2.dnn.Net:
        return cv2.dnn.readNetFromONNX(str(self._folder / "head.onnx"))

    def _look(
        self, exemplar: NDArray[np.uint8], search: NDArray[np.uint8], center_xy: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        size = len(search)
        # Even views are shifted by whole cells, so the exemplar's square begins at a whole pixel.
        left, top = (min(max(round(float(value) - EXEMPLAR_SIZE / 2), 0), size - EXEMPLAR_SIZE) for value in center_xy)
        template = self._embed(exemplar[top : top + EXEMPLAR_SIZE, left : left + EXEMPLAR_SIZE])
        border = (SEARCH_SIZE - size) // 2
        padded = cv2.copyMakeBorder(search, border, border, border, border, cv2.BORDER_REPLICATE)
        region = self._embed(np.asarray(padded, np.uint8))
        self._head.setInput(template, "input1")
        self._head.setInput(region, "input2")
        logits, boxes = self._head.forward(["output1", "output2"])
        return np.asarray(logits, np.float32), np.asarray(boxes, np.float32)

    def _embed(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        bgr = crop[..., ::-1] if self._rgb else crop
        self._backbone.setInput(np.ascontiguousarray(bgr.transpose(2, 0, 1), dtype=np.float32)[None])
        return np.asarray(self._backbone.forward(), np.float32)


def on_cells(logits: Tensor, boxes: Tensor, size: int) -> SoftTargets:
    """The teacher's maps, every 16 px of a 255 px crop, on the student's cells, every 8 px of its view.

    Args:
        logits: (T, 2, m, m), background and target. boxes: (T, 4, m, m) distances from each cell's centre.
        size: side of the student's view, whose middle is the middle of the teacher's crop.
    """
    cells, teacher_cells = (size - EXEMPLAR_SIZE) // STRIDE + 1, logits.shape[-1]
    # Pixels of the view: the teacher counts its cells from the crop's middle, the student from 63.5 px.
    there = size / 2 + TEACHER_STRIDE * (torch.arange(teacher_cells, device=logits.device) - teacher_cells / 2)
    here = EXEMPLAR_SIZE / 2 + STRIDE * torch.arange(cells, device=logits.device)
    corners = torch.stack(
        [
            there[None, None, :] - boxes[:, 0],
            there[None, :, None] - boxes[:, 1],
            there[None, None, :] + boxes[:, 2],
            there[None, :, None] + boxes[:, 3],
        ],
        dim=1,
    )
    maps = torch.cat([logits.softmax(dim=1)[:, 1:], corners], dim=1)
    # grid_sample counts from -1 to 1 between the centres of the outermost cells.
    line = (here - there[0]) / (there[-1] - there[0]) * 2 - 1
    grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1).expand(len(maps), -1, -1, -1)
    maps = F.grid_sample(maps, grid.to(maps.dtype), align_corners=True, padding_mode="border")
    x1, y1, x2, y2 = maps[:, 1:].unbind(dim=1)
    across, down = here[None, None, :], here[None, :, None]
    return SoftTargets(maps[:, 0], torch.stack([across - x1, down - y1, x2 - across, y2 - down], dim=1))


def soft_loss(target: Tensor, distances: Tensor, soft: SoftTargets, group: Group = ALONE) -> Tensor:
    """Cross-entropy with the teacher's probabilities, and GIoU with its boxes where it is sure.

    Args:
        target: (T, n, n) class logits. distances: (T, 4, n, n) of the student.
        soft: for the same pairs.
        group: processes over which the teacher's mass is counted.

    Returns:
        Scalar. The maps' cross-entropy is divided by the teacher's mass on them, as a focal loss is by its positives.
    """
    mass = group.mean(soft.probability.sum()).clamp(min=1)
    classes = F.binary_cross_entropy_with_logits(target, soft.probability, reduction="sum") / mass
    sure = (soft.probability > 0.5) & (soft.distances > 0).all(dim=1)
    weight = torch.where(sure, soft.probability, 0.0)
    _, giou = side_iou(distances.permute(0, 2, 3, 1), soft.distances.permute(0, 2, 3, 1))
    return 0.1 * classes + ((1 - giou) * weight).sum() / group.mean(weight.sum()).clamp(min=1)
