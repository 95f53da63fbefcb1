"""Run it elsewhere: ONNX Runtime and NumPy alone.

This is the whole way from a frame to a box, without siamtrack and without OpenCV, to be carried to another language. Its boxes
are those of `siamtrack.load(redetect=False, update_weight=0, search_sizes=[])` to a hundredth of a pixel: one size of search
crop, the first frame's exemplar, no state and no re-detection.

    siamtrack export siamfc-lite --out exported/lite
    python examples/onnx_numpy.py exported/lite frames.npy 120,80,64,48      # (T, H, W, 3) uint8, BGR

| graph | input | what it is |
|---|---|---|
| both | `crops` (N, S, S, 3) uint8 | BGR; S is `search_size`, and the target's square its middle 127 px |
| search | `exemplar` (N, C, 6, 6), `kernel` (N, c, 4, 4) | what exemplar.onnx gave for the first frame's crop |
| search | `size_wh` (N, 2) float32 | width and height of the first box in that crop |

| graph | output | what it is |
|---|---|---|
| search | `response` (N, n, n) | logit: how alike a place is to the exemplar; places are 8 px apart, around the crop's middle |
| search | `target`, `quality` (N, n, n) | logits: the cell lies on the target; its box overlaps the target well |
| search | `distances` (N, 4, n, n) | from the cell to the left, upper, right and lower side of its box, crop pixels |
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import onnxruntime

EXEMPLAR, STRIDE, NEAR = 127, 8, 2


def context_side(size_wh):
    """Side of the square around a box with a margin of half its mean side."""
    context = sum(size_wh) / 2
    return math.sqrt((size_wh[0] + context) * (size_wh[1] + context))


def crop(frame, center_xy, side, size, pad):
    """A square of the frame, resampled bilinearly to (1, size, size, 3); positions count from the first pixel's corner."""
    (left, top), factor = np.subtract(center_xy, side / 2), max(1, int(side / size))
    x0 = y0 = 0
    if factor > 1:  # a sample reads four pixels however many lie under it: average whole blocks first
        x0, y0 = (max(math.floor(corner) - factor, 0) for corner in (left, top))
        seen = frame[y0 : math.ceil(top + side) + factor, x0 : math.ceil(left + side) + factor]
        rows, columns = seen.shape[0] // factor, seen.shape[1] // factor
        means = seen[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor, 3).mean(axis=(1, 3))
        frame = np.floor(means + 0.5) if factor == 2 else np.rint(means)
    picture = np.full((frame.shape[0] + 2, frame.shape[1] + 2, 3), pad, np.float32)
    picture[1:-1, 1:-1] = frame
    # In float32, and rounded where OpenCV rounds: single levels of grey would move the box by hundredths of a pixel.
    step, i = np.float32(side / size / factor), np.arange(size)
    left, top = (np.float32((at + side / size / 2 - corner) / factor - 0.5) for at, corner in ((left, x0), (top, y0)))
    x, y = (float(step) * i + float(left)).astype(np.float32), step * i.astype(np.float32) + top
    (x, u), (y, v) = (sample(at, length) for at, length in ((x, frame.shape[1]), (y, frame.shape[0])))
    u, v = u[None, :, None], v[:, None, None]
    upper, lower = picture[y], picture[y + 1]
    upper, lower = (row[:, x] + u * (row[:, x + 1] - row[:, x]) for row in (upper, lower))
    return np.rint(upper + v * (lower - upper)).astype(np.uint8)[None]


def sample(at, length):
    """The pixel before each position, in a picture with a pixel of padding, and how far behind it the position is, 0..1."""
    at = np.clip(at, -1, np.float32(length))
    low = np.minimum(np.floor(at).astype(int), length - 1)
    return low + 1, at - low.astype(np.float32)


class Tracker:
    """One target, from a box in the first frame."""

    def __init__(self, folder):
        self.exemplar, self.search = (
            onnxruntime.InferenceSession(str(folder / name)) for name in ("exemplar.onnx", "search.onnx")
        )
        said = json.loads((folder / "export.json").read_text())["tracker"]
        self.size, self.influence, self.damping, self.doubt = (
            said[key] for key in ("search_size", "window_influence", "scale_damping", "size_penalty")
        )
        cells = (self.size - EXEMPLAR) // STRIDE + 1
        line = np.hanning(cells + 2)[1:-1]
        self.window = np.outer(line, line) / line.sum() ** 2
        self.grid = STRIDE * (np.arange(cells) - (cells - 1) / 2)

    def init(self, frame, box):
        """Learn the target."""
        self.center, self.wh = np.array(box[:2]) + np.array(box[2:]) / 2, np.array(box[2:], float)
        self.pad = np.rint(frame.mean(axis=(0, 1)))
        self.first = context_side(self.wh)
        embedded = self.exemplar.run(None, {"crops": self._crop(frame)})
        size_wh = (self.wh * EXEMPLAR / self.first).astype(np.float32)[None]
        self.learned = dict(zip(("exemplar", "kernel"), embedded, strict=True)) | {"size_wh": size_wh}

    def update(self, frame):
        """The box in the next frame, `(x, y, w, h)`."""
        scale = context_side(self.wh) / EXEMPLAR  # frame pixels in a crop's
        maps = self.search.run(None, {"crops": self._crop(frame)} | self.learned)
        response, target, quality, (left, top, right, bottom) = (each[0].astype(float) for each in maps)

        # Where: the response, doubted where the box would change its size or shape, and mixed with a Hann window.
        known_w, known_h = self.wh / scale
        w, h = left + right, top + bottom
        size = np.sqrt((w + (w + h) / 2) * (h + (w + h) / 2)) / context_side((known_w, known_h))
        shape = w / h / (known_w / known_h)
        kept = np.exp(-self.doubt * (np.maximum(size, 1 / size) * np.maximum(shape, 1 / shape) - 1))
        likely = (response - response.min()) / (response - response.min()).sum() * kept
        mixed = (1 - self.influence) * likely + self.influence * self.window
        row, column = np.unravel_index(mixed.argmax(), mixed.shape)

        # How large: the mean of the boxes of the cells around it.
        trust = kept / (1 + np.exp(-target)) / (1 + np.exp(-quality))
        near = np.s_[max(row - NEAR, 0) : row + NEAR + 1, max(column - NEAR, 0) : column + NEAR + 1]
        x, y = self.grid[None, :], self.grid[:, None]
        x1, y1, x2, y2 = (
            np.average(side[near], weights=trust[near] + 1e-12) for side in (x - left, y - top, x + right, y + bottom)
        )

        # The target goes there, and its size follows as far as it is trusted.
        height, width = frame.shape[:2]
        self.center = np.clip(self.center + scale * np.array([x1 + x2, y1 + y2]) / 2, 0, (width, height))
        share = self.damping * trust[row, column]
        self.wh = self.wh * (1 - share) + share * scale * np.array([x2 - x1, y2 - y1])
        side = context_side(self.wh)
        self.wh *= np.clip(side, 0.2 * self.first, 5 * self.first) / side
        low, high = np.clip([self.center - self.wh / 2, self.center + self.wh / 2], 0, (width, height))
        return *low, *(high - low)

    def _crop(self, frame):
        return crop(frame, self.center, context_side(self.wh) * self.size / EXEMPLAR, self.size, self.pad)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    tracker, frames = Tracker(Path(sys.argv[1])), np.load(sys.argv[2], mmap_mode="r")
    tracker.init(frames[0], [float(number) for number in sys.argv[3].split(",")])
    for frame in frames[1:]:
        print(",".join(f"{number:.3f}" for number in tracker.update(frame)))
