from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = sorted(path for path in (ROOT / "tools").glob("*.py") if path.read_text(encoding="utf-8").startswith("#!"))


@pytest.mark.parametrize("path", TOOLS, ids=lambda path: path.name)
def test_a_tool_starts_as_its_help_says_and_maintainers_are_told_of_it(path: Path) -> None:
    assert os.access(path, os.X_OK), f"chmod +x tools/{path.name}"
    assert f"tools/{path.name} " in path.read_text(encoding="utf-8"), "its help shows no command"
    assert f"`{path.name}`" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), "CONTRIBUTING.md does not list it"
