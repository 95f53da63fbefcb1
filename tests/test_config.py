import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from siamtrack.config import CONFIGS, build, find_recipe, load_yaml, present_keys, replace, to_plain
from siamtrack.errors import ConfigError, OldKeyWarning


@dataclass(frozen=True)
class Inner:
    weight: float = 1.0


@dataclass(frozen=True)
class Outer:
    name: str
    count: int = 3
    kind: Literal["a", "b"] = "a"
    inner: Inner = Inner()
    items: tuple[Inner, ...] = ()

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"count is {self.count}; it must not be negative")


def test_plain_data_makes_the_same_dataclass_again() -> None:
    config = Outer("x", 5, "b", Inner(2.0), (Inner(3.0), Inner(4.0)))
    assert build(Outer, to_plain(config)) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "x", "cuont": 3}, "unknown key 'cuont'; did you mean 'count'"),
        ({"count": 3}, "key 'name' is missing"),
        ({"name": "x", "count": "three"}, "config.count: expected int, got 'three'"),
        ({"name": "x", "count": True}, "config.count: expected int, got True"),
        ({"name": "x", "count": -1}, "count is -1"),
        ({"name": "x", "kind": "c"}, "'c' is not one of 'a', 'b'"),
        ({"name": "x", "inner": {"weigth": 1}}, "config.inner: unknown key 'weigth'; did you mean 'weight'"),
        ({"name": "x", "items": [{"weight": "heavy"}]}, r"config.items\[0\].weight: expected float"),
        ({"name": "x", "items": 3}, "expected a list"),
        ([1, 2], "expected a mapping"),
    ],
)
def test_errors_name_the_place_and_what_was_wanted(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Outer, values)


def test_numbers_that_yaml_reads_as_text_are_numbers() -> None:
    assert build(Inner, {"weight": "1e-5"}).weight == 1e-5
    assert build(Inner, {"weight": 2}).weight == 2.0


def test_replace_checks_its_keys() -> None:
    assert replace(Outer("x"), count=9).count == 9
    with pytest.raises(ConfigError, match="unknown key"):
        replace(Outer("x"), coutn=9)


@dataclass(frozen=True)
class Renamed:
    OLD_KEYS: ClassVar[dict[str, str | None]] = {"memory": "update_weight", "legacy": None, "dropped": None}
    update_weight: float = 0.3


def test_an_old_key_is_read_under_its_present_name_with_one_note() -> None:
    with pytest.warns(OldKeyWarning, match="settings: 'memory' is now 'update_weight'") as notes:
        assert replace(Renamed(), "settings", memory=0) == Renamed(0.0)
    assert len(notes) == 1
    with pytest.warns(OldKeyWarning, match="'legacy' is no key any more"):
        assert build(Renamed, {"legacy": 5}) == Renamed()


@pytest.mark.filterwarnings("error")
def test_what_the_package_wrote_itself_is_read_without_notes() -> None:
    assert build(Renamed, {"memory": 0.5, "legacy": 1, "dropped": "x"}, warn=False) == Renamed(0.5)
    assert present_keys(Renamed, {"memory": 0.5, "other": 2}, warn=False) == {"update_weight": 0.5, "other": 2}


def test_a_key_under_both_its_names_is_refused() -> None:
    for twice in ({"memory": 1, "update_weight": 1}, {"update_weight": 1, "memory": 1}):
        with pytest.raises(ConfigError, match="'update_weight' is given twice"):
            build(Renamed, twice, warn=False)


def test_recipes_are_found_by_path_and_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    smoke = CONFIGS / "train_smoke.yaml"
    assert smoke.is_file()
    for name in ("smoke", "train_smoke", "train_smoke.yaml", "configs/train_smoke.yaml", str(smoke)):
        assert find_recipe(name) == smoke
    own = tmp_path / "smoke"
    own.write_text("steps: 1\n")
    assert find_recipe("smoke") == Path("smoke")  # a file of that name comes first
    for name in ("smoek", "runs/train_smoke.yaml", "siamfc.yaml.bak"):
        with pytest.raises(FileNotFoundError, match=r"there are classic, .*siamfc-lite, .*smoke"):
            find_recipe(name)


@pytest.mark.slow
def test_recipes_travel_with_what_is_built(tmp_path: Path) -> None:
    clone = Path(__file__).parents[1]
    build = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(build, cwd=clone, check=True, capture_output=True)
    code = "from siamtrack.config import find_recipe; print(find_recipe('smoke'))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    assert Path(found.stdout.strip()) == tmp_path / "siamtrack/configs/train_smoke.yaml"


def test_yaml_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not found"):
        load_yaml(tmp_path / "none.yaml")
    for text in ("a: [1", "- 1\n- 2\n", "!!python/object/apply:os.getcwd []"):
        path = tmp_path / "bad.yaml"
        path.write_text(text)
        with pytest.raises(ConfigError):
            load_yaml(path)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefghijkl", "bcdefghijklm", strict=True)
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB, "100,000 values"),
        ("a: " + "[" * 100_000, "64 values inside one another"),
        ("{a: " * 5_000, "64 values inside one another"),
        ("a: &a [*a]", "inside of what it stands for"),
        ("1: 2", "key 1 is no text"),
        ("~: 2", "key None is no text"),
        ("? [1]\n: 2", "unhashable key"),
        ("a: " + "9" * 5000, "not readable as YAML"),
        ("a: !!int ''", "not readable as YAML"),
        ("a: !!bool x", "not readable as YAML"),
        ("a: !!timestamp x", "not readable as YAML"),
        ("a: 2020-13-45", "not readable as YAML"),
        ("a: \x00", "not readable as YAML"),
        ("a: !!python/object/apply:os.system [ls]", "not readable as YAML"),
    ],
    ids=lambda text: text[:20],
)
def test_yaml_has_limits(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"a.yaml.*{why}") as caught:
        load_yaml(path)
    assert len(str(caught.value)) < 500


def test_a_yaml_file_has_at_most_a_megabyte(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: " + "x" * 2**20)
    with pytest.raises(ConfigError, match="at most 1048576"):
        load_yaml(tmp_path / "a.yaml")


def test_some_aliases_are_read_as_ever(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: &a {b: 1}\nc: *a\nd:\n  <<: *a\n  e: 2\n")
    assert load_yaml(tmp_path / "a.yaml") == {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1, "e": 2}}


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"name": "a", "inner": {"weight": float("nan")}}, r"inner\.weight is nan; a finite number"),
        ({"name": "a", "inner": {"weight": "1e999"}}, r"inner\.weight is inf; a finite number"),
        ({"name": "a", "inner": {"weight": 10**400}}, "of 1329 bits; a finite number"),
        ({"name": "a", "count": 10**30}, "a whole number of 64 bits"),
        ({"name": "a", "kind": ["a"]}, r"\['a'\] is not one of"),
        ({"name": 10**5000}, "expected str, got a whole number of 16610 bits"),
        ({"name": "a", 3: 4}, "unknown key 3"),
        ({"name": "a", "x" * 5000: 4}, "unknown key 'xxx"),
    ],
    ids=range(8),
)
def test_numbers_and_names_from_outside_are_checked(values: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        build(Outer, values)
    assert len(str(caught.value)) < 700
