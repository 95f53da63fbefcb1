"""mkdocs' hook (`hooks:` in mkdocs.yml): pages that are made of what lies elsewhere in the repository, when the site is built.

The command line's reference is made of the commands, the examples' pages of the examples, and README, CONTRIBUTING, CHANGELOG
and the experiments' notes become pages as they are. Links are written for people who read the files where they lie; the hook
leads them to the site's pages.
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]

# Single files that the site has too, and their addresses there.
ADDRESSES = {
    "README.md": "index.md",
    **{name: f"{name}.txt" for name in ("LICENSE", "NOTICE", "Dockerfile", "compose.yaml")},
    **{name: name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "training/README.md")},
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what does not lie in docs/."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "cli.md", content=command_reference()))
    for path in outside():
        source = path.relative_to(ROOT).as_posix()
        if path.suffix in (".py", ".ipynb"):
            files.append(File.generated(config, address(source), content=example(path)))
        else:
            files.append(File.generated(config, address(source), content=path.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links from files to the pages that are made of them."""
    sources = {address(path.relative_to(ROOT).as_posix()): path for path in outside()}
    place = sources.get(page.file.src_uri, ROOT / "docs" / page.file.src_uri).parent
    here = os.path.dirname(page.file.src_uri)

    def moved(link: re.Match[str]) -> str:
        target, anchor = link["target"], link["anchor"] or ""
        if not target or re.match(r"[a-z]+:", target):  # an address, or data
            return link[0]
        source = os.path.relpath(os.path.normpath(place / target), ROOT).replace(os.sep, "/")
        return f"]({os.path.relpath(address(source), here or '.').replace(os.sep, '/')}{anchor})"

    return re.sub(r"\]\((?P<target>[^)#\s]*)(?P<anchor>#[^)\s]*)?\)", moved, markdown)


def outside() -> Iterator[Path]:
    """What becomes a page or a picture of the site without lying in docs/."""
    yield from (ROOT / name for name in ADDRESSES)
    for folder, kinds in (("experiments", (".md", ".png", ".jpg")), ("examples", (".py", ".ipynb"))):
        yield from (path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in kinds)


def address(source: str) -> str:
    """The site's address, as a source of mkdocs, of a file of the repository."""
    if source.startswith("examples/"):
        return str(Path(source).with_suffix(".md"))
    return ADDRESSES.get(source, source.removeprefix("docs/"))


def example(path: Path) -> str:
    """A page of an example: a script with its docstring as text, or a notebook's cells with what they gave."""
    if path.suffix == ".ipynb":
        return "\n\n".join(part for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] for part in cell_parts(cell))
    text = path.read_text(encoding="utf-8")
    said, code = re.fullmatch(r'(?:#!.*\n)?"""(.*?)"""\n+(.*)', text, re.S).groups()  # type: ignore[union-attr]
    title, _, rest = said.strip().partition("\n")
    return f'# {title.rstrip(".")}\n\n{rest.strip()}\n\n```python title="examples/{path.name}"\n{code.strip()}\n```\n'


def cell_parts(cell: dict[str, Any]) -> Iterator[str]:
    """A notebook's cell and its outputs in Markdown."""
    text = "".join(cell["source"])
    yield text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```"
    for output in cell.get("outputs", []):
        shown = output.get("data", {"text/plain": output.get("text", "")})
        picture = next((kind for kind in ("image/png", "image/jpeg") if kind in shown), None)
        if picture:
            yield f"![What the cell shows](data:{picture};base64,{''.join(shown[picture].split())})"
        else:
            yield f"```text\n{''.join(shown['text/plain']).rstrip()}\n```"


def command_reference() -> str:
    """All commands with their arguments and options, as `--help` has them."""
    import typer

    from siamtrack.cli import app

    root = typer.main.get_command(app)
    return "# Commands\n\n" + "\n".join(
        command_parts(root, typer.Context(root, info_name="siamtrack", **root.context_settings))
    )


def command_parts(command: Any, context: Any) -> Iterator[str]:
    """One command's section, then those of its own commands."""
    if context.parent:
        yield f"## `{context.command_path}`\n"
    for paragraph in (command.help or "").split("\n\n"):
        said, shown = " ".join(paragraph.split()), ""
        if paragraph.startswith("\b"):  # click's mark of lines that stay as they are
            said, _, shown = paragraph.strip("\b\n").partition("\n")
        elif example := re.fullmatch(r"(.*: )((?:siamtrack|torchrun) .*)", said):
            said, shown = example.groups()
        yield said.strip() + "\n"
        if shown:
            yield f"```sh\n{dedent(shown)}\n```\n"
    records = [record for parameter in command.get_params(context) if (record := parameter.get_help_record(context))]
    if records:
        yield "| option | what it does |\n|---|---|"
        yield from (f"| {option(name)} | {text.replace('|', '&#124;').replace('<', '&lt;')} |" for name, text in records)
        yield ""
    for name in getattr(command, "commands", ()):
        child = command.commands[name]
        yield from command_parts(child, type(context)(child, info_name=name, parent=context))


def option(name: str) -> str:
    """An option as code in a table's cell, in which only HTML can hold a bar."""
    return f"<code>{html.escape(name).replace('|', '&#124;')}</code>"
