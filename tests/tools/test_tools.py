from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = [path for folder in ("tools", "experiments") for path in sorted((ROOT / folder).rglob("*.py"))]
STARTED = [path for path in SCRIPTS if path.read_text(encoding="utf-8").startswith("#!")]


@pytest.mark.parametrize("path", STARTED, ids=lambda path: path.name)
def test_a_script_starts_as_its_help_says_and_maintainers_are_told_of_it(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    assert os.access(path, os.X_OK), f"chmod +x {name}"
    assert f"{name} " in path.read_text(encoding="utf-8"), "its help shows no command"
    guide = ROOT / "CONTRIBUTING.md"
    if name.startswith("experiments/"):
        guide = path.with_suffix(".md") if path.parent.name == "experiments" else path.with_name("README.md")
    assert f"`{path.name}" in guide.read_text(encoding="utf-8"), f"{guide} does not list it"


@pytest.mark.parametrize("path", STARTED, ids=lambda path: path.name)
def test_a_script_says_what_it_takes(
    path: Path,
    import_tool: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tool = import_tool(path.relative_to(ROOT).with_suffix("").as_posix())
    monkeypatch.setattr(sys, "argv", [path.name, "--help"])
    with pytest.raises(SystemExit, match="0"):
        tool.main()
    assert path.name in capsys.readouterr().out.partition("\n")[0]
