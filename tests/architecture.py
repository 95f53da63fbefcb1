"""What imports what in the package, read from its source; nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parents[1] / "siamtrack"


class Import(NamedTuple):
    """An import that runs; those for type checking alone do not.

    Attributes:
        name: dotted, such as `siamtrack.boxes` or `siamtrack.boxes.Box`; which of the two it is, the files tell.
        line: where it is. deferred: whether it is inside a function, and so runs later than the module.
    """

    name: str
    line: int
    deferred: bool


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Files of the package by the names of their modules."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(path: Path) -> list[Import]:
    """Every import of a file that runs."""
    return list(_imports(ast.parse(path.read_text(encoding="utf-8")), deferred=False))


def _imports(node: ast.AST, deferred: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, deferred) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert not child.level, "relative imports are not used here"
            yield from (Import(f"{child.module}.{alias.name}", child.lineno, deferred) for alias in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from _imports(other, deferred)
        else:
            yield from _imports(child, deferred or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))


def graph(package: Path = PACKAGE, deferred: bool = True) -> dict[str, set[str]]:
    """Modules of the package that each module imports; its own parent packages are left out.

    Args:
        package: its folder. deferred: whether imports inside functions count.
    """
    known = modules(package)
    found: dict[str, set[str]] = {}
    for name, path in known.items():
        targets = set()
        for one in imports(path):
            if deferred or not one.deferred:
                target = one.name if one.name in known else one.name.rpartition(".")[0]
                targets |= {target} & known.keys()
        found[name] = {target for target in targets if target != name and not name.startswith(f"{target}.")}
    return found


def top(module: str) -> str:
    """`siamtrack.live.web.client` -> `live`; `siamtrack.boxes` -> `boxes`; the package itself -> ``."""
    return module.split(".")[1] if "." in module else ""


def folders(arrows: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same between top folders and files; `siamtrack` itself, which gives names of the others, is left out."""
    found: dict[str, set[str]] = {}
    for name, targets in arrows.items():
        found.setdefault(top(name), set()).update({top(target) for target in targets} - {top(name), ""})
    found.pop("", None)
    return found


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Groups of names that reach one another (strongly connected, by Tarjan's algorithm), largest first."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in sorted(arrows.get(name, ())):
            if target not in index:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], index[target])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in sorted(arrows):
        if name not in index:
            visit(name)
    return sorted(found, key=len, reverse=True)


def loads(package: Path, start: str) -> dict[str, str]:
    """Everything outside and inside the package that importing one module brings in, each with the module that imports it."""
    known, found, waiting = modules(package), {start: start}, [start]
    while waiting:
        name = waiting.pop()
        parents = {name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)} & known.keys()
        wanted = {one.name for one in imports(known[name]) if not one.deferred} | parents
        for target in wanted:
            own = target if target in known else target.rpartition(".")[0]
            if own in known:
                if own not in found:
                    found[own] = name
                    waiting.append(own)
            else:
                found.setdefault(target.partition(".")[0], name)
    return found


def calls(path: Path, names: tuple[str, ...]) -> list[tuple[int, str]]:
    """Line and name of each call of one of these functions, as they are written there (`print`, `sys.exit`)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [(node.lineno, ast.unparse(node.func)) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [(line, name) for line, name in found if name in names]
