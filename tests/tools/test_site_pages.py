from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import typer

from siamtrack.cli import app

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pages(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("tools/site_pages")


def test_the_reference_of_commands_has_every_command_and_option(pages: ModuleType) -> None:
    page = pages.command_reference()
    sections = dict(re.findall(r"^## `siamtrack ([a-z -]+)`\n(.*?)(?=^## |\Z)", page, re.M | re.S))
    commands = {**typer.main.get_command(app).commands}
    commands |= {f"data {name}": command for name, command in commands["data"].commands.items()}
    assert sections.keys() == commands.keys()
    for name, command in commands.items():
        shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
        for option in (parameter.opts[0] for parameter in shown if parameter.opts[0].startswith("--")):
            assert option in sections[name], name
        assert sections[name].count("| <code>") == len(shown) + 1  # and --help
    assert "```sh\nsiamtrack track clip.mp4" in sections["track"]


@pytest.mark.parametrize(
    ("source", "link", "expected"),
    [
        ("index.md", "docs/lost.md", "lost.md"),
        ("index.md", "LICENSE", "LICENSE.txt"),
        ("lost.md", "../experiments/lost/README.md#x", "experiments/lost/README.md#x"),
        ("models/siamfc.md", "../lost.md", "../lost.md"),
        ("models/siamfc.md", "siamfc.png", "siamfc.png"),
        ("experiments/lost/README.md", "../../docs/research.md", "../../research.md"),
        ("live.md", "#in-a-window", "#in-a-window"),
        ("live.md", "https://arxiv.org/abs/1606.09549", "https://arxiv.org/abs/1606.09549"),
        ("examples/boxes_inline.md", "data:image/png;base64,AA==", "data:image/png;base64,AA=="),
        ("detector.md", "../examples/detections.py", "examples/detections.md"),
    ],
)
def test_links_between_files_become_links_between_pages(pages: ModuleType, source: str, link: str, expected: str) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri=source))
    assert pages.on_page_markdown(f"see [it]({link}).", page, None, None) == f"see [it]({expected})."


def test_an_example_is_a_page_of_its_own(pages: ModuleType, tmp_path: Path) -> None:
    page = pages.example(ROOT / "examples/webcam.py")
    assert page.startswith("# A webcam and OpenCV: draw a box, and it is followed\n")
    assert "\nimport cv2\n" in page
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {
            "cell_type": "code",
            "source": ["draw()"],
            "outputs": [{"text": ["1\n", "2\n"]}, {"data": {"image/png": "AA\nBB", "text/plain": ["<Image>"]}}],
        },
    ]
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": cells}))
    shown = "![What the cell shows](data:image/png;base64,AABB)"
    assert pages.example(tmp_path / "a.ipynb") == f"# Title\ntext\n\n```python\ndraw()\n```\n\n```text\n1\n2\n```\n\n{shown}"
