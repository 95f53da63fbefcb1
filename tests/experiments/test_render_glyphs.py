from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import cv2
import matplotlib
import numpy as np
import pytest

from siamtrack.data.labelled import open_classes
from siamtrack.verify.items import read_picture

FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif", "DejaVuSerif-Italic")


@pytest.fixture(scope="module")
def tool(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("experiments/glyphs/render_glyphs")


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five fonts of three families, in folders, one twice, and a file that only calls itself a font."""
    folder = tmp_path_factory.mktemp("fonts")
    (folder / "more").mkdir()
    bundled = Path(matplotlib.get_data_path()) / "fonts/ttf"
    for i, name in enumerate(FONTS):
        path = bundled / f"{name}.ttf"
        if not path.is_file():
            pytest.skip(f"this matplotlib has no {path.name}")
        shutil.copy(path, folder / ("more" if i % 2 else "") / path.name)
    shutil.copy(folder / "DejaVuSans.ttf", folder / "again.TTF")
    (folder / "broken.otf").write_bytes(b"no font")
    (folder / "readme.txt").write_text("no font")
    return folder


@pytest.fixture
def call(tool: ModuleType, fonts: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the tool in this process on a handful of characters."""
    few = {"latin": "AEgi", "greek": "ΑΩ", "han": "木", "blank": "\u00a0"}
    scripts = {name: lambda letters=letters: list(letters) for name, letters in few.items()}
    for module in (tool, sys.modules["glyph_scripts"]):
        monkeypatch.setattr(module, "SCRIPTS", scripts)

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["render_glyphs.py", *map(str, arguments)])
        return int(tool.main())

    return run


def slugs(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("U+*/*.png")}


def test_a_character_is_a_class_and_a_font_a_picture(
    call: Callable[..., int], fonts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path, "--fonts", fonts) == 0
    found = open_classes(tmp_path)
    assert found.names == ("U+0041", "U+0045", "U+0067", "U+0069", "U+03A9")
    assert np.bincount(found.classes).tolist() == [5] * 5
    assert not found.left_out
    for path in found.items:
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert picture.shape == (48, 48)
        ys, xs = np.nonzero(picture < 128)
        assert picture.min() < 60
        assert 33 <= max(np.ptp(xs), np.ptp(ys)) + 1 <= 37
        assert abs(xs.min() + xs.max() - 47) <= 3
        assert abs(ys.min() + ys.max() - 47) <= 3
        edge = np.concatenate([picture[:5].ravel(), picture[-5:].ravel(), picture[:, :5].ravel(), picture[:, -5:].ravel()])
        assert (edge == 255).all()
    assert read_picture(found.items[0]).shape == (48, 48, 3)
    families = dict(line.split("\t") for line in (tmp_path / "fonts.txt").read_text().splitlines())
    assert families == {
        "dejavu-sans-bold": "DejaVu Sans",
        "dejavu-sans-book": "DejaVu Sans",
        "dejavu-sans-mono-book": "DejaVu Sans Mono",
        "dejavu-serif-book": "DejaVu Serif",
        "dejavu-serif-italic": "DejaVu Serif",
    }
    assert slugs(tmp_path) == set(families)
    left_out = (tmp_path / "left_out.txt").read_text().splitlines()
    assert left_out == [
        "U+0391: Α looks like U+0041 A in 5 of 5 fonts",
        "U+6728: 木 is in no font",
        "U+00A0: \u00a0 is in no font",
    ]
    printed = capsys.readouterr().out
    assert "latin: 4 classes, 20 pictures" in printed
    assert "greek: 1 classes, 5 pictures" in printed


def test_the_files_are_the_same_each_time_and_without_fonttools(
    tool: ModuleType, call: Callable[..., int], fonts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["with", "again", "without"]
    for name in names:
        if name == "without":
            monkeypatch.setitem(sys.modules, "fontTools.ttLib", None)
            assert tool.mapped(fonts / "DejaVuSans.ttf", 0) is None
        assert call(tmp_path / name, "--fonts", fonts, "--size", 32) == 0
    one, *others = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")} for name in names
    )
    assert len(one) == 5 * 5 + 2
    assert others == [one, one]


def test_scripts_and_the_number_of_fonts_can_be_limited(call: Callable[..., int], fonts: Path, tmp_path: Path) -> None:
    assert call(tmp_path, "--fonts", fonts, "--characters", "greek", "--limit-fonts", 4) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["U+0391", "U+03A9", "fonts.txt", "left_out.txt"]
    assert len(slugs(tmp_path)) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--characters", "latin,elvish"], "names elvish; known are latin, greek"),
        (["--size", "8"], "--size is 8; it must lie in 16..1024"),
        (["--limit-fonts", "0"], "--limit-fonts is 0; at least 1"),
        (["--limit-fonts", "3"], "no character has 4 different pictures in 3 fonts"),
        (["--characters", "han"], "no character has 4 different pictures"),
        (["--fonts", "none"], "none holds no fonts"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: list[str],
    message: str,
    call: Callable[..., int],
    fonts: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        call(tmp_path / "out", "--fonts", fonts, *arguments)
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_nothing_is_mixed_with_what_is_there(
    call: Callable[..., int], fonts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(SystemExit, match="2"):
        call(tmp_path, "--fonts", fonts)
    assert "holds something already" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        call(tmp_path / "mine.txt", "--fonts", fonts)
    assert "mine.txt is a file" in capsys.readouterr().err


def test_a_missing_pillow_is_named(
    call: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(SystemExit, match="2"):
        call(tmp_path / "out", "--fonts", tmp_path)
    assert "pip install pillow" in capsys.readouterr().err


def test_a_picture_is_in_a_class_once_and_in_no_other(tool: ModuleType, fonts: Path) -> None:
    glyphs = tool.Glyphs(list("AE"), 48)
    for path in tool.find_fonts(fonts):
        for face in tool.faces(path, 96):
            assert glyphs.add(face)
            assert glyphs.add(replace(face, slug=face.slug + "-copy"))
    glyphs.pictures["E"]["dejavu-sans-bold"] = glyphs.pictures["A"]["dejavu-serif-book"]
    glyphs.drop()
    assert sorted(glyphs.pictures["A"]) == [
        "dejavu-sans-bold",
        "dejavu-sans-book",
        "dejavu-sans-mono-book",
        "dejavu-serif-italic",
    ]
    assert sorted(glyphs.pictures["E"]) == [
        "dejavu-sans-bold-copy",
        "dejavu-sans-book",
        "dejavu-sans-mono-book",
        "dejavu-serif-book",
        "dejavu-serif-italic",
    ]


def test_a_name_in_another_script_still_gives_a_slug(tool: ModuleType, fonts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import ImageFont

    for name, slug, family in [
        (("東風明朝", "Regular"), "dejavusans-0-regular", "東風明朝"),
        ((None, None), "dejavusans-0", "DejaVuSans"),
        (("  Ab/c\t", "../Bold"), "ab-c-bold", "Ab/c"),
    ]:
        monkeypatch.setattr(ImageFont.FreeTypeFont, "getname", lambda _, name=name: name)
        (face,) = tool.faces(fonts / "DejaVuSans.ttf", 96)
        assert (face.slug, face.family) == (slug, family)


def test_scripts_hold_characters_that_stand_alone(tool: ModuleType) -> None:
    letters = [letter for script in tool.SCRIPTS.values() for letter in script()]
    assert all(tool.SCRIPTS[name]() for name in tool.SCRIPTS)
    assert len(letters) == len(set(letters))
    assert {unicodedata.category(letter)[0] for letter in letters} == {"L", "N"}
    assert tool.characters(["greek", "latin"])[0] == "A"
