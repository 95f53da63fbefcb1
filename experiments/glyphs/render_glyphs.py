#!/usr/bin/env python3
"""Render characters in many fonts, into a folder a character: data for one-shot experiments.

    experiments/glyphs/render_glyphs.py OUT --fonts /usr/share/fonts
    experiments/glyphs/render_glyphs.py OUT --fonts DIR --size 48 --characters latin,greek,digits --limit-fonts 20

OUT/U+0041/SLUG.png is an A, SLUG the font's family and style: black on white, grey, centred, its longer side three
quarters of the picture. OUT/fonts.txt has a line `SLUG<tab>FAMILY` for each font, by which to split: the styles of a
family resemble each other. OUT/left_out.txt says which characters were dropped, and why.

A font without a character gives none for it: neither its box for missing glyphs nor an empty picture is written. A
picture that a class has already is left out, and one that two classes have is left out of both. Of characters that
cannot be told apart (Latin A and Greek Alpha) the first is kept, and letters that are others at another size (c of C) are
in none of the scripts here, because all are scaled to one size. Nor are classes kept with fewer than four pictures. The
same fonts and libraries give the same files.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from glyph_scripts import SCRIPTS, characters, code
from numpy.typing import NDArray
from rich.progress import track

if TYPE_CHECKING:
    from PIL import ImageFont

SUFFIXES = (".ttf", ".otf", ".ttc")
SHARE = 0.75
"""Of the picture's side, what the glyph's longer side takes."""

FINER = 3
"""Glyphs are drawn so many times larger, cut out and shrunk: a font's own size of a glyph is known only then."""

FAINT = 64
"""A picture without any pixel darker than this is left out: thin outlines shrink to a grey that is hardly to be seen."""

MIN_FONTS = 4
ALIKE = 0.96
"""Correlation of two pictures of one font above which they are alike. In most fonts Latin A and Greek Alpha have 1, the
Han characters that differ in the length of a stroke about 0.93."""

ALIKE_SIDE = 24
"""Pictures are compared at this size, in pixels."""

MISSING = ("\U0010ffff", "\u0378")
"""Characters that no font has (not assigned): what is drawn for them is the font's box for missing glyphs."""


def main() -> int:
    """Render, drop what is no use, write; status 2 where nothing can be done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write; it must not hold anything yet")
    parser.add_argument("--fonts", type=Path, required=True, help=f"folder below which fonts lie ({' '.join(SUFFIXES)})")
    parser.add_argument("--size", type=int, default=48, help="side of a picture in pixels")
    parser.add_argument("--characters", default=",".join(SCRIPTS), help="scripts, parted by commas; default: all")
    parser.add_argument(
        "--limit-fonts", type=int, default=None, metavar="N", help="take the first N fonts that have any of the characters"
    )
    args = parser.parse_args()
    try:
        import PIL  # noqa: F401
    except ImportError:
        parser.error("Pillow draws the glyphs and is not installed; pip install pillow")
    scripts = args.characters.split(",")
    unknown = sorted(set(scripts) - set(SCRIPTS))
    if unknown:
        parser.error(f"--characters names {', '.join(unknown)}; known are {', '.join(SCRIPTS)}")
    if not 16 <= args.size <= 1024:
        parser.error(f"--size is {args.size}; it must lie in 16..1024")
    if args.limit_fonts is not None and args.limit_fonts < 1:
        parser.error(f"--limit-fonts is {args.limit_fonts}; at least 1 is wanted")
    if args.out.exists() and not args.out.is_dir():
        parser.error(f"{args.out} is a file; give a folder to write")
    if args.out.exists() and any(args.out.iterdir()):
        parser.error(f"{args.out} holds something already, which would mix with the new; give an empty or new folder")
    paths = find_fonts(args.fonts)
    if not paths:
        parser.error(f"{args.fonts} holds no fonts ({' '.join(SUFFIXES)}); give --fonts a folder that does")

    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it warns of dates and paddings that do not matter here
    glyphs = Glyphs(characters(scripts), args.size)
    seen: set[str] = set()
    fonts = 0
    for path in track(paths, "fonts"):
        for face in faces(path, args.size * FINER):
            if face.slug not in seen and fonts != args.limit_fonts:  # one font is often there as .ttf and .otf
                seen.add(face.slug)
                fonts += glyphs.add(face)
        if fonts == args.limit_fonts:
            break
    left_out = glyphs.drop()
    if not glyphs.pictures:
        parser.error(f"no character has {MIN_FONTS} different pictures in {fonts} fonts; give more fonts or other --characters")
    glyphs.write(args.out)
    (args.out / "left_out.txt").write_text("".join(line + "\n" for line in left_out), encoding="utf-8")
    for script in dict.fromkeys(scripts):
        counts = [len(glyphs.pictures[c]) for c in SCRIPTS[script]() if c in glyphs.pictures]
        print(f"{script}: {len(counts)} classes, {sum(counts)} pictures")
    print(f"{args.out}: {sum(map(len, glyphs.pictures.values()))} pictures, {len(glyphs.families())} fonts")
    return 0


@dataclass(frozen=True)
class Face:
    """One font of a file.

    Attributes:
        slug: family and style for a file name: lower-case letters, digits and `-`.
        family: as the font calls it.
        font: to draw with.
        path: the file.
        index: its number in the file, from 0.
    """

    slug: str
    family: str
    font: ImageFont.FreeTypeFont
    path: Path
    index: int


@dataclass
class Glyphs:
    """Pictures by character and font.

    Attributes:
        characters: what is rendered; the order decides which of two alike is kept.
        size: side of a picture in pixels.
        pictures: PNG files by character and slug.
    """

    characters: list[str]
    size: int
    pictures: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.characters)
        self._families: dict[str, str] = {}
        self._alike = np.zeros((count, count), np.uint16)  # fonts in which two characters are alike
        self._both = np.zeros((count, count), np.uint16)  # fonts that have two characters

    def add(self, face: Face) -> bool:
        """Render all characters that a font has; whether it has any."""
        has = mapped(face.path, face.index)
        wanted = [i for i, character in enumerate(self.characters) if has is None or ord(character) in has]
        if not wanted:
            return False
        missing = {picture.tobytes() for picture in (render(face.font, c, self.size) for c in MISSING) if picture is not None}
        at: list[int] = []
        pictures: list[NDArray[np.uint8]] = []
        for index in wanted:
            character = self.characters[index]
            picture = render(face.font, character, self.size)
            if picture is None or picture.tobytes() in missing:
                continue
            at.append(index)
            pictures.append(picture)
            self.pictures.setdefault(character, {})[face.slug] = png(picture)
        if at:
            self._families[face.slug] = face.family
            self._both[np.ix_(at, at)] += 1
            self._alike[np.ix_(at, at)] += find_alike(np.stack(pictures))
        return bool(at)

    def drop(self) -> list[str]:
        """Leave out what has no place in the data, as the module says; one line for each character dropped."""
        lines = []
        alike = 2 * self._alike > self._both  # in most of the fonts that have both
        kept = np.zeros(len(self.characters), bool)
        for index, character in enumerate(self.characters):
            if character not in self.pictures:
                lines.append(f"{code(character)}: {character} is in no font")
                continue
            same = np.flatnonzero(kept & alike[index])
            if len(same):
                looks = self.characters[same[0]]
                fonts = f"{self._alike[index, same[0]]} of {self._both[index, same[0]]} fonts"
                lines.append(f"{code(character)}: {character} looks like {code(looks)} {looks} in {fonts}")
                del self.pictures[character]
            else:
                kept[index] = True
        classes = Counter(picture for found in self.pictures.values() for picture in set(found.values()))
        for character, found in list(self.pictures.items()):
            own = {picture: slug for slug, picture in sorted(found.items(), reverse=True) if classes[picture] == 1}
            self.pictures[character] = {slug: picture for picture, slug in own.items()}
            if len(own) < MIN_FONTS:
                lines.append(f"{code(character)}: {character} has {len(own)} different pictures, {MIN_FONTS} are wanted")
                del self.pictures[character]
        return lines

    def families(self) -> dict[str, str]:
        """The family of each font that has a picture, by slug, sorted."""
        used = {slug for found in self.pictures.values() for slug in found}
        return {slug: self._families[slug] for slug in sorted(used)}

    def write(self, out: Path) -> None:
        """Write the folders and `fonts.txt`."""
        for character, found in track(self.pictures.items(), "writing"):
            folder = out / code(character)
            folder.mkdir(parents=True)
            for slug, picture in found.items():
                (folder / f"{slug}.png").write_bytes(picture)
        text = "".join(f"{slug}\t{family}\n" for slug, family in self.families().items())
        (out / "fonts.txt").write_text(text, encoding="utf-8")


def find_fonts(folder: Path) -> list[Path]:
    """The font files below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def faces(path: Path, size: int) -> Iterator[Face]:
    """The fonts of a file, of which a `.ttc` may hold several; none where it cannot be read or has one size only."""
    from PIL import ImageFont

    for index in range(64):  # one past the last is an error, except in old versions of FreeType
        try:
            font = ImageFont.truetype(path, size, index=index, layout_engine=ImageFont.Layout.BASIC)
        except OSError:
            return
        family, style = (" ".join((name or "").split()) for name in font.getname())
        family = family or path.stem
        slug = re.sub(r"[^a-z0-9]+", "-", f"{family} {style}".lower()).strip("-")
        if not re.match(r"[a-z0-9]+-", slug):  # a name in another script leaves little of itself
            slug = re.sub(r"[^a-z0-9]+", "-", f"{path.stem} {index} {style}".lower()).strip("-")
        yield Face(slug, family, font, path, index)
        if path.suffix.lower() != ".ttc":
            return


def mapped(path: Path, index: int) -> frozenset[int] | None:
    """The characters that a font says it has; None without fontTools, or where it cannot read the font."""
    try:
        from fontTools.ttLib import TTFont, TTLibError  # type: ignore[import-untyped]
    except ImportError:
        return None
    try:
        with TTFont(path, fontNumber=index, lazy=True) as font:
            return frozenset(c for c, name in (font.getBestCmap() or {}).items() if name != ".notdef")
    except (TTLibError, KeyError, ValueError, AssertionError):
        return None


def render(font: ImageFont.FreeTypeFont, character: str, size: int) -> NDArray[np.uint8] | None:
    """A character, black on white, centred, its longer side `SHARE` of the picture; None where it is blank or faint.

    Returns:
        (size, size).
    """
    from PIL import Image, ImageDraw

    left, top, right, bottom = font.getbbox(character)
    margin = size  # some fonts draw beyond the box that they give
    width, height = int(right - left) + 2 * margin, int(bottom - top) + 2 * margin
    if max(width, height) > 32 * size:
        return None
    sheet = Image.new("L", (width, height))
    ImageDraw.Draw(sheet).text((margin - left, margin - top), character, fill=255, font=font)
    box = sheet.getbbox()
    if box is None:
        return None
    glyph = np.asarray(sheet.crop(box))
    scale = SHARE * size / max(glyph.shape)
    height, width = (max(1, round(side * scale)) for side in glyph.shape)
    x, y = (size - width) // 2, (size - height) // 2
    picture = np.full((size, size), 255, np.uint8)
    picture[y : y + height, x : x + width] = 255 - cv2.resize(glyph, (width, height), interpolation=cv2.INTER_AREA)
    return picture if picture.min() < FAINT else None


def png(picture: NDArray[np.uint8]) -> bytes:
    """A picture as a grey PNG."""
    return cv2.imencode(".png", picture)[1].tobytes()


def find_alike(pictures: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pictures of one font cannot be told apart.

    Args:
        pictures: (N, size, size).

    Returns:
        (N, N), True on the diagonal.
    """
    side = (ALIKE_SIDE, ALIKE_SIDE)
    small = np.stack([cv2.resize(255 - p, side, interpolation=cv2.INTER_AREA) for p in pictures]).astype(np.float32)
    flat = small.reshape(len(small), -1)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat @ flat.T > ALIKE)


if __name__ == "__main__":
    sys.exit(main())
