"""Annotation files in the XML form of PASCAL VOC, which ImageNet VID shares."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from siamtrack.errors import DataError

MAX_XML_BYTES = 4 * 2**20
"""A real annotation has a few kilobytes; a larger file is none, and is not read."""


class Labelled(NamedTuple):
    """One object of an annotated image.

    Attributes:
        name: its class.
        track: number of the target within its video; empty in stills.
        box_xywh: 0-based. On disk corners are 1-based and both inclusive.
    """

    name: str
    track: str
    box_xywh: tuple[float, float, float, float]


def read_annotation(path: Path) -> list[Labelled]:
    """Objects of one annotation file; none if it names none.

    Raises:
        DataError: missing, too large, not XML, with a document type or entities, or an object without a box.
    """
    try:
        if path.stat().st_size > MAX_XML_BYTES:
            raise DataError(f"{path} has {path.stat().st_size} bytes; an annotation has at most {MAX_XML_BYTES}")
        # Other encodings are refused on purpose: in UTF-16 the words below would not be found.
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
    # Entities make a short file unfold into gigabytes. No annotation needs them.
    if "<!doctype" in text.lower() or "<!entity" in text.lower():
        raise DataError(f"{path} declares a document type or an entity, which an annotation does not; it is not read")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise DataError(f"{path} is not XML: {error}") from error
    return [_labelled(path, node) for node in root.iter("object")]


def _labelled(path: Path, node: ElementTree.Element) -> Labelled:
    try:
        left, top, right, bottom = (float(node.findtext(f"bndbox/{key}", "")) for key in ("xmin", "ymin", "xmax", "ymax"))
    except ValueError as error:
        raise DataError(f"{path}: an object without xmin, ymin, xmax, ymax in numbers") from error
    if not all(map(math.isfinite, (left, top, right, bottom))):
        raise DataError(f"{path}: an object with a box that is not finite")
    box = (left - 1, top - 1, right - left + 1, bottom - top + 1)
    return Labelled(node.findtext("name", "").strip(), node.findtext("trackid", "").strip(), box)
