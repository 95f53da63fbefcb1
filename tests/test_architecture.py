"""The house's rules: arrows go one way, the core stays light, and only the command line prints."""

from __future__ import annotations

from pathlib import Path

from architecture import PACKAGE, calls, circles, folders, graph, loads, modules

NEEDS_TORCH = ("model", "train", "verify", "backends.torch", "backends.torch_crop")
"""Modules and folders that may bring in torch when they are imported: no other may. A folder stands for all of its modules."""

LIGHT = ("model.tensors", "model.weights", "verify.verifier", "train.prepare")  # prepare: many processes cut crops
"""Modules of those folders that may not."""

TALKING = ("siamtrack.cli", "siamtrack.__main__")
"""Who may print and end the process."""


def test_top_folders_never_import_each_other_in_a_circle() -> None:
    assert circles(folders(graph())) == []


def test_modules_never_import_each_other_in_a_circle() -> None:
    assert circles(graph()) == []  # nor by an import inside a function


def test_only_what_needs_torch_brings_it_in() -> None:
    heavy = tuple(f"siamtrack.{part}." for part in NEEDS_TORCH)
    light = {f"siamtrack.{part}" for part in LIGHT} | {name for name in modules() if not f"{name}.".startswith(heavy)}
    found = {name: loads(PACKAGE, name).get("torch") for name in light}
    assert {name: by for name, by in found.items() if by} == {}


def test_nothing_below_the_command_line_prints_or_exits() -> None:
    quiet = {name: path for name, path in modules().items() if not name.startswith(TALKING)}
    found = {name: calls(path, ("print", "sys.exit", "exit", "quit")) for name, path in quiet.items()}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_the_walker_sees_what_runs(tmp_path: Path) -> None:
    package = tmp_path / "siamtrack"
    for folder in ("", "a", "b"):
        (package / folder).mkdir(exist_ok=True)
        (package / folder / "__init__.py").touch()
    (package / "a/one.py").write_text("from siamtrack.b import two\n")
    (package / "a/three.py").write_text("import torch.nn\n\nprint('loud')\n")
    (package / "b/two.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from siamtrack.a.four import F\n"
        "def late() -> None:\n    from siamtrack.a.one import two\n"
    )
    (package / "b/five.py").write_text("from siamtrack.a.three import nn\n")
    assert circles(graph(package, deferred=False)) == []
    assert circles(graph(package)) == [["siamtrack.a.one", "siamtrack.b.two"]]
    assert circles(folders(graph(package))) == [["a", "b"]]
    assert loads(package, "siamtrack.b.five")["torch"] == "siamtrack.a.three"
    assert "torch" not in loads(package, "siamtrack.a.one")
    assert calls(package / "a/three.py", ("print",)) == [(3, "print")]
