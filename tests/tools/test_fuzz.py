from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from siamtrack import cli

FILES = 12
"""Malformed files a reader, and calls a command; the tools try more, and all commands in processes of their own."""


@pytest.fixture(scope="module")
def tool(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    tool = import_tool("tools/fuzz_files")
    tool.LIMIT_S = 300.0  # only so that nothing hangs for ever: tests may run on a busy machine
    return tool


@pytest.fixture(scope="module")
def options(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("tools/fuzz_options")


SLOW = ("weights.safetensors", "verifier")
READERS = [
    "constants.yaml", "recipe.yaml", "weights.safetensors", "weights.pth", "verifier", "gallery", "manifest.csv",
    "manifest.jsonl", "got10k", "mot", "coco", "voc.xml", "pairs.csv", "results", "run.json", "tracker.json", "rows.csv",
    "rows.npy", "picture.jpg",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READERS)
def test_malformed_files_are_read_or_refused(tool: ModuleType, tmp_path: Path, name: str) -> None:
    ends = dict(tool.fuzz_reader(name, tool.readers()[name], tmp_path / "in", FILES // 4 if name in SLOW else FILES, seed=0))
    assert not {key: end for key, end in ends.items() if end not in ("read", "refused")}
    assert "refused" in ends.values(), "nothing was malformed"


def test_every_reader_is_tried(tool: ModuleType) -> None:
    assert set(tool.readers()) == set(READERS)


def test_a_reader_that_fails_is_told_of(tool: ModuleType, tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        raise KeyError(path.name)

    reader = tool.readers()["rows.csv"]._replace(read=fail)
    assert Counter(end for _, end in tool.fuzz_reader("rows.csv", reader, tmp_path, 3, 0)) == {"KeyError: 'rows.csv'": 3}


@pytest.mark.parametrize("name", ["export-labels", "data check"])
def test_wrong_values_are_refused_in_a_line(
    options: ModuleType, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    good = options.commands(tmp_path)[name]
    codes: Counter[int] = Counter()
    for number in range(FILES):
        arguments = options.spoiled(name, good, tmp_path / "out", tmp_path, random.Random(number))
        monkeypatch.setattr(sys, "argv", ["siamtrack", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        text = capsys.readouterr().err
        code = ended.value.code
        assert code in (0, 1, 2), (arguments, text)
        assert code != 2 or text.count("\n") <= 3, (arguments, text)
        codes[int(code)] += 1
    assert codes[2], "nothing was wrong"


@pytest.mark.parametrize(("code", "ends"), [("raise SystemExit(3)", True), ("while True: pass", False), ("input()", False)])
def test_a_run_is_given_processor_time_and_waits_no_longer_than_that(
    options: ModuleType, monkeypatch: pytest.MonkeyPatch, code: str, ends: bool
) -> None:
    monkeypatch.setattr(options, "LIMIT_S", 60.0 if ends else 0.3)
    child = subprocess.Popen([sys.executable, "-Sc", code], stdin=subprocess.PIPE, start_new_session=True)
    status = options.wait(child.pid)
    if not ends:
        child.kill()
        child.wait()
    assert (None if status is None else os.waitstatus_to_exitcode(status)) == (3 if ends else None)
