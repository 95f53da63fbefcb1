"""The pages are read, and what they say to type is tried: what is cheap runs, the rest is parsed by the command it names."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from rendered import rendered_frame

import siamtrack
from siamtrack.cli import app
from siamtrack.video.run import run
from siamtrack.video.source import open_source

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "training/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "experiments").rglob("*.md")),
]
# Programs that are not ours, or are the tests' own.
OTHERS = {
    *(".ci/run", "cd", "chromium", "docker", "hadolint", "mkdir", "mkdocs", "mypy", "pytest", "ray", "ruff", "trtexec", "vot"),
}
OURS = r"siamtrack|python|pip|torchrun|ssh|(tools|experiments|web)/.*\.py"
# Options of ours that want a screen, a device, a file that no page makes, or more than a second.
COSTLY = {"--backend", "--config", "--device", "--hwaccel", "--model", "--select", "--show"}
# What makes a block of Python cost more: processes, PyTorch, a camera, a data set, files that no page makes.
COSTLY_PYTHON = ("siamtrack.batch(", "Verifier(", "Capture(", "ExperimentGOT10k(", "InferenceSession(")
BOX = (120.0, 80.0, 64.0, 48.0)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each fenced block of a page."""
    return re.findall(r"^```(\w*).*?\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def python_of(page: Path) -> list[str]:
    return [text for language, text in blocks(page) if language == "python"]


def commands(page: Path) -> Iterator[list[str]]:
    """Commands of a page's shell blocks, as a shell would part them; of blocks without a language only what is surely one."""
    for language, text in blocks(page):
        if language not in ("", "sh"):
            continue
        plain = re.sub(r"(^| )#.*|>>.*", "", text.replace("\\\n", " "), flags=re.M)
        for part in re.split(r"&&|;|\n", plain):
            words = shlex.split(part)
            if words and (language == "sh" or words[0] in OTHERS or re.fullmatch(OURS, words[0])):
                yield words


ALL = [pytest.param(page, words, id=f"{name_of(page)}: {shlex.join(words)}") for page in PAGES for words in commands(page)]


@cache
def root() -> Any:
    return typer.main.get_command(app)


@cache
def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help", "-h"}


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words behind `siamtrack` name, and its arguments."""
    command = root()
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize(("page", "words"), ALL)
def test_a_command_is_one_that_its_program_takes(page: Path, words: list[str]) -> None:
    program, arguments = words[0], words[1:]
    if program in ("python", "torchrun", "ssh"):
        if arguments[0].startswith("examples/"):
            assert (ROOT / arguments[0]).is_file()
            return
        if "siamtrack" not in arguments:
            assert importlib.util.find_spec(arguments[1]), words
            return
        arguments = arguments[arguments.index("siamtrack") + 1 :]
        program = "siamtrack"
    if program == "siamtrack":
        command, rest = command_of(arguments)
        if not rest and not command.params:
            return
        command.make_context("siamtrack", list(rest))
    elif program == "pip":
        known = set(re.findall(r'^ {4}"(\w+)": |^EXTRAS\["(\w+)"\]', (ROOT / "setup.py").read_text(encoding="utf-8"), re.M))
        asked = {extra for word in arguments for inside in re.findall(r"^\.\[(.+)\]", word) for extra in inside.split(",")}
        assert asked <= {name for pair in known for name in pair}, asked
    elif program.endswith(".py"):
        text = (ROOT / program).read_text(encoding="utf-8")
        assert not [word for word in arguments if re.match(r"--\w", word) and f'"{word.partition("=")[0]}"' not in text]
    else:
        assert program in OTHERS


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_options_that_the_text_names_are_there(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for words in (code.split() for code in re.findall(r"`([^`]+)`", prose)):
        asked = {word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)}
        if words[:1] == ["siamtrack"]:
            assert asked <= options(command_of(words[1:])[0]), words
        elif asked and words[0].startswith(("--", "tools/", "experiments/")):
            assert asked <= all_options(), words


@cache
def all_options() -> set[str]:
    """Options of all commands, tools and experiments."""
    scripts = [*(ROOT / "tools").glob("*.py"), *(ROOT / "experiments").rglob("*.py"), ROOT / "siamtrack/cli/vot.py"]
    known = {name for script in scripts for name in re.findall(r'"(--[a-z][a-z-]*)"', script.read_text(encoding="utf-8"))}
    waiting = [root()]
    while waiting:
        command = waiting.pop()
        known |= options(command)
        waiting += getattr(command, "commands", {}).values()
    return known


def cheap(words: list[str]) -> bool:
    """Whether a command runs here: it follows a small clip, or reads what such a run wrote."""
    tracks = words[:3] == ["siamtrack", "track", "clip.mp4"] and not COSTLY & {word.partition("=")[0] for word in words}
    return tracks or words[:2] == ["siamtrack", "export-labels"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, write_clip: Callable[..., Path]) -> Path:
    """A folder with what the pages take for granted."""
    folder = tmp_path_factory.mktemp("desk")
    write_clip(folder / "clip.mp4", 6, fps=1)
    tracker = siamtrack.load()
    for target in ("car", "dog"):
        with open_source(folder / "clip.mp4") as source:
            run(tracker, source, folder / "runs/all/clip" / target, BOX)
    return folder


@pytest.mark.parametrize("line", sorted({shlex.join(words) for page in PAGES for words in commands(page) if cheap(words)}))
def test_a_cheap_command_runs(
    line: str, desk: Path, here: Callable[..., subprocess.CompletedProcess[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk)
    result = here(*shlex.split(line)[1:])
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", [page for page in PAGES if python_of(page)], ids=name_of)
def test_the_python_of_a_page_runs(page: Path, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)
    first, second = (rendered_frame(i)[0] for i in range(2))
    names: dict[str, Any] = {"first_frame": first, "next_frame": second, "frame": first, "siamtrack": siamtrack}
    for text in python_of(page):
        if any(word in text for word in COSTLY_PYTHON):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ImportFrom):
                    module = importlib.import_module(str(node.module))
                    assert all(hasattr(module, each.name) for each in node.names)
                elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "siamtrack":
                    assert hasattr(siamtrack, node.attr), node.attr
        else:
            exec(compile(text, name_of(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path = page.parent / target if target else page
        assert path.exists(), target
        headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}, (
            target,
            anchor,
        )


def test_a_citation_names_this_version() -> None:
    assert f"\nversion: {siamtrack.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_readme_repeats_no_figure_that_its_pages_do_not_have() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme[readme.index("## How good") : readme.index("## Guides")]
    pages = "".join(
        (ROOT / name).read_text(encoding="utf-8")
        for name in ("docs/accuracy.md", "docs/speed.md", "experiments/lost/README.md")
    )
    figures = set(re.findall(r"\d+\.\d+|\d+(?= %| of \d| \|)", table))
    assert len(figures) > 5
    assert not {figure for figure in figures if not re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d.]\d)", pages)}
    assert len(readme.splitlines()) < 120
