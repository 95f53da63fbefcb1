"""Made pairs: masked objects set into other images, and regions of any image under a known warp.

What videos show too rarely is drawn here as often as one likes: objects of the same class beside the target, something in
front of it, turns, blur, light that changes on the target alone. Boxes are exact: they bound the mask as it was set.
"""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import DataError
from siamtrack.frames import Image
from siamtrack.models import EXEMPLAR_SIZE
from siamtrack.outside import parse_json
from siamtrack.system import read_text
from siamtrack.tracking.crop import context_side, mean_color
from siamtrack.train.augment import line_kernel
from siamtrack.train.crops import CROP_SIZE, Pair

KIND = "masks"
"""What a recipe's source is called whose `NAME.tar` lies beside `NAME.jsonl`, instead of `NAME.tsv` as for `tar`."""

MIN_PX = 24
"""Masks with a shorter side of their box are left out: enlarged, they are a blur."""

KEPT_IMAGES = 128
"""Decoded images that are kept."""

REGION_SHARE = 0.2
"""Pairs that show a region of an image instead of an object."""

BLUR_SHARE = 0.15
"""Objects that are blurred by a motion of their own."""

MIN_CONTRAST = 15.0
"""Least standard deviation in a region, grey levels: a blank wall is found anywhere."""

Matrix = NDArray[np.float64]
SizedCrop = tuple[Image, NDArray[np.float32]]


@dataclass(frozen=True)
class Cutout:
    """An object of an image: its outline as polygons (N, 2) in pixels of the image, and its class."""

    image: str
    label: str
    polygons: tuple[NDArray[np.float32], ...]

    @property
    def points(self) -> NDArray[np.float32]:
        """(N, 2), of all polygons."""
        return np.concatenate(self.polygons)

    @property
    def size_wh(self) -> NDArray[np.float32]:
        """Of the box around it."""
        return np.asarray(np.ptp(self.points, axis=0), np.float32)


@dataclass(frozen=True)
class Pose:
    """How an object is set into a crop.

    Attributes:
        matrix: (2, 3) from pixels of its image to pixels of the crop. gain, offset: of its light.
        blur_px, blur_angle: length and direction of its own motion; 0 for none.
    """

    matrix: Matrix
    gain: float
    offset: float
    blur_px: float
    blur_angle: float


class Synthesis:
    """A source of made pairs, see `crops.PairStore`.

    Args:
        path: a .tar of images beside a .jsonl, a line a mask: `image`, `w`, `h`, `class`, `polygons` (lists of x, y, x, y ...).

    Raises:
        FileNotFoundError, DataError: one of the two is missing, damaged, or holds nothing to use.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places = _places(path)
        self.cutouts = _cutouts(path.with_suffix(".jsonl"), self._places)
        labels = sorted({cutout.label for cutout in self.cutouts})
        self._instances = {label: number for number, label in enumerate(labels)}
        self._alike = {label: [cutout for cutout in self.cutouts if cutout.label == label] for label in labels}
        self._images = sorted(self._places)
        self._image = lru_cache(KEPT_IMAGES)(self._decode)

    def __reduce__(self) -> tuple[Any, ...]:
        return Synthesis, (self.path,)

    @property
    def instances(self) -> int:
        """One for each class, and one for each image, of which regions are shown."""
        return len(self._instances) + len(self._images)

    def draw_pair(self, rng: np.random.Generator, min_gap: int = 0, max_gap: int = 0) -> Pair:
        """See `crops.PairStore`; the gaps are for videos."""
        if rng.random() < REGION_SHARE:
            return self._region(rng)
        target = self.cutouts[rng.integers(len(self.cutouts))]
        backdrop = self._backdrop(rng, target.image)
        distractors = [self._distractor(target, rng) for _ in range(int(rng.choice(4, p=[0.3, 0.4, 0.2, 0.1])))]
        cover = self.cutouts[rng.integers(len(self.cutouts))] if rng.random() < 0.3 else None
        turn, stretch = rng.uniform(-0.3, 0.3), rng.uniform(-0.15, 0.15)
        views = []
        for k in range(2):
            image = _shaken(backdrop, rng)
            pose = _posed(target, turn + k * rng.normal(0, 0.25), stretch + k * rng.normal(0, 0.08), rng)
            box = _bounds(target, pose)
            for distractor in distractors:
                self._set(image, distractor, _beside(distractor, box, rng))
            self._set(image, target, pose)
            if cover is not None and k == 1:
                self._set(image, cover, _before(cover, box, rng))
            views.append((image, np.asarray(box[2:] - box[:2], np.float32)))
        return Pair((views[0], views[1]), self._instances[target.label], True)

    def _region(self, rng: np.random.Generator) -> Pair:
        """A rectangle of an image, as it is and warped. It need not be an object: a box is learned relative to another."""
        number = int(rng.integers(len(self._images)))
        image = self._image(self._images[number])
        height, width = image.shape[:2]
        for _ in range(5):
            sides = np.exp(rng.uniform(np.log(MIN_PX), np.log(0.5 * min(height, width)), 2))
            center = rng.uniform(sides / 2, np.array([width, height]) - sides / 2)
            (x1, y1), (x2, y2) = ((center + sign * sides / 2).astype(int) for sign in (-1, 1))
            if image[y1:y2, x1:x2].std() >= MIN_CONTRAST:
                break
        views: list[SizedCrop] = []
        for k in range(2):
            seen = sides * np.exp(k * rng.normal(0, 0.15, 2))
            # The same rectangle of the image, stretched to other sides, fills its share of a crop at the exemplar's scale.
            scale = EXEMPLAR_SIZE / context_side(seen.tolist()) * seen / sides
            matrix = np.column_stack([np.diag(scale), CROP_SIZE / 2 - scale * center])
            crop = cv2.warpAffine(image, matrix, (CROP_SIZE, CROP_SIZE), borderValue=mean_color(image))
            views.append((crop, np.asarray(scale * sides, np.float32)))  # type: ignore[arg-type]
        return Pair((views[0], views[1]), len(self._instances) + number, True)

    def _backdrop(self, rng: np.random.Generator, but: str) -> Image:
        """A square part of an image other than `but`, half as large again as a crop."""
        number = int(rng.integers(len(self._images)))
        number = number if self._images[number] != but else (number + 1) % len(self._images)
        image = self._image(self._images[number])
        side = round(min(image.shape[:2]) * rng.uniform(0.6, 1))
        x, y = (int(rng.integers(0, length - side + 1)) for length in (image.shape[1], image.shape[0]))
        size = CROP_SIZE * 5 // 4
        return cv2.resize(image[y : y + side, x : x + side], (size, size))  # type: ignore[return-value]

    def _distractor(self, target: Cutout, rng: np.random.Generator) -> Cutout:
        """Mostly one of the target's class."""
        among: Sequence[Cutout] = self._alike[target.label] if rng.random() < 0.7 else self.cutouts
        return among[int(rng.integers(len(among)))]

    def _set(self, image: Image, cutout: Cutout, pose: Pose) -> None:
        """Draw an object into a crop."""
        # Only what the object covers is touched.
        low, high = _corners(cutout.points @ pose.matrix[:, :2].T + pose.matrix[:, 2])
        margin = 2 + int(pose.blur_px)
        x1, y1 = (max(0, int(value) - margin) for value in low)
        x2, y2 = (min(CROP_SIZE, int(value) + margin + 1) for value in high)
        if x2 - x1 < 2 or y2 - y1 < 2:
            return
        source = self._image(cutout.image)
        matrix = pose.matrix - np.array([[0, 0, x1], [0, 0, y1]])
        # OpenCV counts from the centre of a pixel, points from its corner.
        matrix[:, 2] += 0.5 * (matrix[:, 0] + matrix[:, 1]) - 0.5
        size = x2 - x1, y2 - y1
        outline = [np.round((part @ pose.matrix[:, :2].T + pose.matrix[:, 2] - (x1, y1)) * 16 - 8) for part in cutout.polygons]
        mask = np.zeros((size[1], size[0]), np.uint8)
        cv2.fillPoly(mask, [part.astype(np.int32) for part in outline], 255, cv2.LINE_AA, 4)
        seen = cv2.warpAffine(source, matrix, size, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        alpha: NDArray[Any] = cv2.GaussianBlur(mask, (3, 3), 0.7).astype(np.float32)[..., None] / 255
        drawn: NDArray[np.float32] = np.clip(seen * pose.gain + pose.offset, 0, 255).astype(np.float32) * alpha
        if pose.blur_px >= 2:
            kernel = line_kernel(pose.blur_px, pose.blur_angle, pose.blur_px / 2, int(np.ceil(pose.blur_px / 2)))
            drawn = np.asarray(cv2.filter2D(drawn, -1, kernel), np.float32)
            alpha = np.asarray(cv2.filter2D(alpha, -1, kernel), np.float32)[..., None]
        under: NDArray[Any] = image[y1:y2, x1:x2]
        under[:] = (drawn + under * (1 - alpha)).astype(np.uint8)

    def _decode(self, name: str) -> Image:
        offset, length = self._places[name]
        data = np.fromfile(self.path, np.uint8, length, offset=offset)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
        if image is None:
            raise DataError(f"{self.path}: {name} cannot be decoded")
        return image  # type: ignore[return-value]


def _posed(cutout: Cutout, turn: float, stretch: float, rng: np.random.Generator) -> Pose:
    """An object turned by `turn` radians and stretched, its box in the middle of a crop at the exemplar's scale."""
    linear = _linear(turn, stretch)
    low, high = _corners(cutout.points @ linear.T)
    scale = EXEMPLAR_SIZE / context_side((high - low).tolist())
    return _lit(np.column_stack([scale * linear, CROP_SIZE / 2 - scale * (low + high) / 2]), rng)


def _placed(cutout: Cutout, side: float, center: NDArray[np.float64], rng: np.random.Generator) -> Pose:
    """An object somewhat turned, whose box has sides of `side` pixels in the mean, and its middle at `center`."""
    linear = _linear(rng.uniform(-0.4, 0.4), rng.uniform(-0.2, 0.2))
    low, high = _corners(cutout.points @ linear.T)
    scale = side / max(1e-3, float(np.sqrt(np.prod(high - low))))
    return _lit(np.column_stack([scale * linear, center - scale * (low + high) / 2]), rng)


def _beside(cutout: Cutout, box: Matrix, rng: np.random.Generator) -> Pose:
    """A distractor, near the target."""
    side = float(np.sqrt(np.prod(box[2:] - box[:2])))
    angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 2.2) * side
    center = CROP_SIZE / 2 + distance * np.array([np.cos(angle), np.sin(angle)])
    return _placed(cutout, side * np.exp(rng.uniform(-0.5, 0.3)), center, rng)


def _before(cutout: Cutout, box: Matrix, rng: np.random.Generator) -> Pose:
    """Something that hides a part of the target from one side, at most about a half."""
    size, angle = box[2:] - box[:2], rng.uniform(0, 2 * np.pi)
    side = float(np.sqrt(np.prod(size))) * rng.uniform(0.4, 0.9)
    reach = (size + side) / 2 * rng.uniform(0.5, 0.9)
    return _placed(cutout, side, CROP_SIZE / 2 + reach * np.array([np.cos(angle), np.sin(angle)]), rng)


def _lit(matrix: Matrix, rng: np.random.Generator) -> Pose:
    blur = rng.uniform(2, 12) if rng.random() < BLUR_SHARE else 0.0
    return Pose(matrix, rng.uniform(0.8, 1.2), rng.uniform(-15, 15), blur, rng.uniform(0, np.pi))


def _linear(turn: float, stretch: float) -> Matrix:
    cos, sin = np.cos(turn), np.sin(turn)
    return np.array([[cos, -sin], [sin, cos]]) @ np.diag(np.exp([stretch, -stretch]))


def _bounds(cutout: Cutout, pose: Pose) -> Matrix:
    """x1, y1, x2, y2 of an object in a crop."""
    return np.concatenate(_corners(cutout.points @ pose.matrix[:, :2].T + pose.matrix[:, 2]))


def _corners(points: NDArray[Any]) -> tuple[Matrix, Matrix]:
    return points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)


def _shaken(backdrop: Image, rng: np.random.Generator) -> Image:
    """A crop of a backdrop, whose place and scale differ a little from crop to crop."""
    room = backdrop.shape[0] - CROP_SIZE
    scale = float(np.exp(rng.uniform(-0.06, 0.06)))
    x, y = rng.uniform(0, room, 2)
    matrix = np.array([[scale, 0, x], [0, scale, y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(backdrop, matrix, (CROP_SIZE, CROP_SIZE), flags=flags, borderMode=cv2.BORDER_REFLECT)  # type: ignore[return-value]


def _places(path: Path) -> dict[str, tuple[int, int]]:
    """Where each image of the archive begins, and how long it is."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} not found; a source of kind {KIND!r} is NAME.tar beside NAME.jsonl")
    try:
        with tarfile.open(path, "r:") as archive:
            return {member.name: (member.offset_data, member.size) for member in archive if member.isfile()}
    except tarfile.TarError as error:
        raise DataError(f"{path} cannot be read as an uncompressed .tar: {error}") from error


def _cutouts(table: Path, places: dict[str, tuple[int, int]]) -> list[Cutout]:
    """Objects that are whole, and large enough."""
    if not table.is_file():
        raise FileNotFoundError(f"{table} not found; a source of kind {KIND!r} is NAME.tar beside NAME.jsonl")
    found = []
    for number, line in enumerate(read_text(table).splitlines(), 1):
        try:
            row = parse_json(line, f"line {number}")
            polygons = tuple(np.array(part, np.float32).reshape(-1, 2) for part in row["polygons"] if len(part) >= 6)
            frame = np.array([row["w"], row["h"]], np.float32)
            cutout = Cutout(str(row["image"]), str(row["class"]), polygons)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{table}: line {number} is no mask ({error})") from error
        if not polygons or cutout.image not in places:
            continue
        low, high = _corners(cutout.points)
        whole = bool((low > 1).all() and (high < frame - 1).all())
        if whole and float((high - low).min()) >= MIN_PX:
            found.append(cutout)
    if not found:
        raise DataError(f"{table}: no mask that is whole and {MIN_PX} pixels wide")
    return found
