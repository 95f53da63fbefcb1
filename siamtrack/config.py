"""Frozen dataclasses to and from YAML, with errors that name the nearest right key."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import math
import types
import typing
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from siamtrack.errors import ConfigError, OldKeyWarning, one_line, shown
from siamtrack.outside import MAX_DEPTH, finite, whole
from siamtrack.system import MIB, read_text

T = TypeVar("T")

_PACKAGE = Path(__file__).parent
CONFIGS = _PACKAGE / "configs" if (_PACKAGE / "configs").is_dir() else _PACKAGE.parent / "configs"
"""Recipes and tracker constants in YAML: inside an installed package, beside the package in a clone."""

MAX_YAML = MIB
"""Bytes of a YAML file: a recipe has some thousand."""

MAX_NODES = 100_000
"""Values of a YAML text, those that aliases repeat counted as often as they stand there."""


def nearest(word: str, known: typing.Iterable[str]) -> str:
    """A clause that names the known word nearest to `word`, for the end of an error message."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else "known: " + ", ".join(sorted(known))


def build(cls: type[T], values: Mapping[str, Any], where: str = "config", warn: bool = True) -> T:
    """Make a frozen dataclass from a mapping, checking every key and type on the way.

    Args:
        cls: the dataclass; its fields may be numbers, strings, bools, tuples, mappings or dataclasses. A class variable
            `OLD_KEYS` lists keys that it had: see `present_keys`; `MAY_BE_INFINITE` numbers that need not be finite.
        values: plain data, as YAML or JSON gives it. Missing keys keep their defaults.
        where: the name that messages give to the mapping.
        warn: whether old keys are warned about; not where a file is read that this package wrote.

    Raises:
        ConfigError: an unknown key, a missing key without default, or a value of the wrong type.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: expected a mapping of keys to values, got {type(values).__name__}")
    values = present_keys(cls, values, where, warn)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    chosen: dict[str, Any] = {}
    for key, value in values.items():
        if key not in fields:
            raise ConfigError(f"{where}: unknown key {shown(key)}; {nearest(one_line(key), fields)}")
        if key in getattr(cls, "MAY_BE_INFINITE", ()) and value in (math.inf, -math.inf):
            chosen[key] = value
            continue
        try:
            chosen[key] = _convert(hints[key], value, f"{where}.{key}")
        except ConfigError:
            raise
        except ValueError as error:
            raise ConfigError(str(error)) from error
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in chosen:
            raise ConfigError(f"{where}: key {name!r} is missing")
    try:
        return cls(**chosen)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def present_keys(cls: type, values: Mapping[str, Any], where: str = "config", warn: bool = True) -> dict[str, Any]:
    """The values under the keys that a dataclass has now, where they have keys that it had once.

    Args:
        cls: the dataclass. Its `OLD_KEYS: ClassVar[dict[str, str | None]]` gives the present key of every old one, or None
            for a key that is gone: its value is left out.
        values, where, warn: as for `build`.

    Raises:
        ConfigError: a value is given under both keys.
    """
    old_keys: dict[str, str | None] = getattr(cls, "OLD_KEYS", {})
    present: dict[str, Any] = {}
    for key, value in values.items():
        now = old_keys.get(key, key)
        if now in present or (now != key and now in values):
            raise ConfigError(f"{where}: {now!r} is given twice, also under an old key")
        if now is not None:
            present[now] = value
        if now != key and warn:
            change = f"is now {now!r}" if now else "is no key any more and changes nothing; leave it out"
            warnings.warn(f"{where}: {key!r} {change}", OldKeyWarning, stacklevel=2)
    return present


def replace(config: T, where: str = "config", **overrides: Any) -> T:
    """A copy of a configuration with some keys changed; unknown keys and wrong types are errors."""
    return build(type(config), {**to_plain(config), **present_keys(type(config), overrides, where)}, where)


def to_plain(config: Any) -> dict[str, Any]:
    """Plain data (dicts, lists, numbers, strings) that `build` turns back into the same dataclass."""
    return typing.cast("dict[str, Any]", _plain(dataclasses.asdict(config)))


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Read one YAML mapping with the safe loader.

    Raises:
        FileNotFoundError: there is no such file.
        ConfigError: the file is not YAML, or not a mapping.
    """
    try:
        data = parse_yaml(read_text(Path(path), MAX_YAML, ConfigError), str(path))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"config file {path} not found; there are examples in {CONFIGS}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected a mapping of keys to values, got {type(data).__name__}")
    return data


def parse_yaml(text: str, where: str) -> Any:
    """Plain data of a YAML text, by the safe loader: nothing in it is executed.

    Args:
        text: whose size was limited when it was read. where: for messages, such as its path.

    Raises:
        ConfigError: not YAML; more than `MAX_NODES` values, or `MAX_DEPTH` inside one another; a key that is no text.
    """
    try:
        return _Loader(text).get_single_data()
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError) as error:
        # The last six come from values under a tag that they do not fit, such as `!!int x`.
        raise ConfigError(f"{where}: not readable as YAML: {one_line(error, 300)}") from error


def find_recipe(name: str | Path) -> Path:
    """The YAML file of a recipe, by its path or by the name of one that comes with the package, such as `smoke`.

    Raises:
        FileNotFoundError: neither; the message lists the names.
    """
    path = Path(name)
    if path.is_file():
        return path
    known = {file.stem.removeprefix("train_"): file for file in sorted(CONFIGS.glob("train_*.yaml"))}
    # As in a clone, where they lie in configs/: `configs/train_smoke.yaml` is `smoke` from any folder.
    named = path.parent in (Path(), Path("configs")) and known.get(path.name.removesuffix(".yaml").removeprefix("train_"))
    if not named:
        raise FileNotFoundError(f"no recipe file {path}, and none of that name: there are {', '.join(known)}")
    return named


class _Loader(yaml.SafeLoader):
    """Counts values and levels while it reads: a few lines of aliases stand for more than a computer can hold."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nodes = self._depth = 0
        self._sizes: dict[yaml.Node, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """A value, and what is in it."""
        alias = self.check_event(yaml.AliasEvent)
        before, self._depth = self._nodes, self._depth + 1
        if self._depth > MAX_DEPTH:
            raise ConfigError(f"more than {MAX_DEPTH} values inside one another; nothing here needs so many")
        node = super().compose_node(parent, index)
        if node is not None:
            if alias and node not in self._sizes:
                raise ConfigError("an alias stands inside of what it stands for; write the values out")
            self._nodes += self._sizes[node] if alias else 1
            self._sizes.setdefault(node, self._nodes - before)
        if self._nodes > MAX_NODES:
            raise ConfigError(f"more than {MAX_NODES:,} values, aliases resolved; nothing here needs so many")
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping, whose keys are text."""
        found = super().construct_mapping(node, deep)
        for key in found:
            if not isinstance(key, str):
                raise ConfigError(f"key {shown(key)} is no text; put it in quotes if it is meant")
        return found


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = typing.get_args(hint)
        if value is None and type(None) in options:
            return None
        inner = [option for option in options if option is not type(None)]
        return _convert(inner[0], value, where) if len(inner) == 1 else value
    if origin is typing.Literal:
        if not isinstance(value, str) or value not in typing.get_args(hint):
            raise ConfigError(f"{where}: {shown(value)} is not one of {', '.join(map(repr, typing.get_args(hint)))}")
        return value
    if dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else build(hint, value, where)  # type: ignore[arg-type]
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where}: expected a list, got {shown(value)}")
        item_hints = typing.get_args(hint)
        if item_hints[-1] is Ellipsis:
            return tuple(_convert(item_hints[0], item, f"{where}[{i}]") for i, item in enumerate(value))
        if len(value) != len(item_hints):
            raise ConfigError(f"{where}: expected {len(item_hints)} values, got {len(value)}")
        pairs = zip(item_hints, value, strict=True)
        return tuple(_convert(item_hint, item, f"{where}[{i}]") for i, (item_hint, item) in enumerate(pairs))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: expected a mapping, got {shown(value)}")
        value_hint = typing.get_args(hint)[1]
        return {str(key): _convert(value_hint, item, f"{where}.{key}") for key, item in value.items()}
    if hint is float and isinstance(value, str):
        # YAML 1.1 reads 1e-5 as a string; people write it all the same.
        with contextlib.suppress(ValueError):
            value = float(value)
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return finite(value, where)
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return whole(value, where)
    if hint in (bool, str) and isinstance(value, hint):
        return value
    if hint is Any:
        return value
    raise ConfigError(f"{where}: expected {getattr(hint, '__name__', hint)}, got {shown(value)}")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
