"""`SearchRegion.extract` as a graph: the same pixels, to the last bit.

A network answers to each pixel of a crop that is brighter by one, and the boxes of two trackers part by that. So positions and
sums are rounded as OpenCV 5 rounds them where it computes with vectors of 256 bits; elsewhere a pixel in ten thousand differs.
"""

from __future__ import annotations

from siamtrack.whole.graph import Value, join, where

LARGEST = 511
"""Largest side of a search crop that a tracker may have, pixels."""

VECTOR = 16
"""Pixels that OpenCV computes at once: in whole vectors it fuses multiplication and addition, in what is left of a row not."""


def crop_region(frame: Value, center_xy: Value, side: Value, size: Value, pad_color: Value) -> Value:
    """`SearchRegion.extract`: a square region of the frame as (1, size, size, 3) uint8.

    Args:
        frame: (H, W, 3) uint8. center_xy: (2,). side: (1,) frame pixels. size: (1,) int64. pad_color: (3,), whole numbers.
    """
    frame_wh, pixels = frame_size(frame), size.to("real")
    scale = side / pixels
    # A frame thinner than a block holds no whole one.
    factor = scale.op("Floor").at_least(1.0).at_most(frame_wh.op("ReduceMin", axes=[0], keepdims=1))
    corner = center_xy - side * 0.5

    # The part of the frame that the region sees, averaged over blocks of factor x factor pixels.
    begin = (corner.op("Floor") - factor).at_least(0.0).at_most(frame_wh - 1)
    count = ((((corner + side).op("Ceil") + factor).at_most(frame_wh) - begin) / factor).op("Floor").at_least(1.0)
    columns, rows = count.to("int64").split([1, 1])
    seen = frame.between(begin.to("int64"), (begin + count * factor).to("int64"), 1, 0)
    seen = seen.op("Transpose", perm=[2, 0, 1])
    averaged = factor > 1
    (image,) = frame.graph.choose(averaged, lambda: [_averaged(seen, rows, columns, factor)], lambda: [seen])
    # A row and a column more, in the colour of what lies outside.
    pad, one, three = pad_color.to("uint8").reshape(3, 1, 1), *(frame.graph.constant([n]) for n in (1, 3))
    image = join([image, pad.op("Expand", join([three, rows, one]))], 2)
    image = join([image, pad.op("Expand", join([three, one, columns + 1]))], 1)

    # Bilinear, between the middles of blocks; places (2, size) count from the first pixel of what OpenCV is given.
    start = ((corner + scale * 0.5 - where(averaged, begin, 0.0)) / factor - 0.5).to("float32").reshape(2, 1)
    step = (scale / factor).to("float32")
    zero = frame.graph.constant([0])
    line = step.like(list(range(LARGEST))).between(zero, size, 0)
    fused = (line.to("real") * step.to("real") + start.to("real")).to("float32")
    in_vectors = (line < (pixels * (1 / VECTOR)).op("Floor").to("float32") * VECTOR) & [[True], [False]]
    place = where(in_vectors, fused, start + line * step)
    first = place.op("Floor")
    share_x, share_y = (place - first).reshape(2, -1, 1).split([1, 1])
    # Before the first pixel, number -1, and after the last one lies what is outside.
    first = first - where(averaged, 0.0, begin).to("float32").reshape(2, 1)
    taps = [each.at_least(-1.0).at_most(count.to("float32").reshape(2, 1)).to("int64") for each in (first, first + 1)]
    (low_x, low_y), (high_x, high_y) = ([each.reshape(-1) for each in tap.split([1, 1])] for tap in taps)
    # Whole rows are gathered quickly, single pixels slowly: hence the image on its side.
    image = image.op("Transpose", perm=[0, 2, 1]).to("float32")
    low, high = (image.take(tap, 1) for tap in (low_x, high_x))
    # Exact up to the last sum: the upper bits of a share and the lower ones, times a difference of two pixels.
    upper, differ = (share_x * 2**14).op("Floor") * 2**-14, high - low
    image = (low + upper * differ + (share_x - upper) * differ).op("Transpose", perm=[0, 2, 1])
    low, high = (image.take(tap, 1) for tap in (low_y, high_y))
    image = (low.to("real") + share_y.to("real") * (high - low).to("real")).to("float32")
    return image.op("Round").to("uint8").reshape(1, 3, size, size).op("Transpose", perm=[0, 2, 3, 1])


def _averaged(seen: Value, rows: Value, columns: Value, factor: Value) -> Value:
    """(3, rows, columns) uint8 of an image (3, rows * factor, columns * factor), averaged over blocks."""
    side = factor.to("int64")
    ones = seen.graph.constant([1.0], "float32").op("Expand", join([side, side / side]))
    down = seen.to("float32").reshape(rows * 3, side, -1).sum(1)
    # Sums of numbers that lie side by side: a product takes a fifth of the time of ReduceSum.
    total = down.reshape(-1, side).op("MatMul", ones).reshape(3, rows, columns)
    # OpenCV rounds halves to even numbers, in blocks of 2 x 2 up.
    mean = total / (factor * factor).to("float32") + where(factor.is_(2.0), 0.125, 0.0).to("float32")
    return mean.op("Round").to("uint8")


def frame_size(frame: Value) -> Value:
    """Width and height of a frame (H, W, 3), real (2,)."""
    return frame.op("Shape", dtype="int64").take(frame.graph.constant([1, 0])).to("real")
