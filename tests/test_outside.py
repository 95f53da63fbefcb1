"""Files, numbers and text from outside come in by one door each, and nothing gets past it."""

from __future__ import annotations

import ast
import errno
import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from architecture import modules

from siamtrack import cli
from siamtrack.errors import ConfigError, DataError, OutputError, WeightsError, one_line, shown
from siamtrack.outside import MAX_INT, finite, parse_json, read_json, whole
from siamtrack.system import open_file, open_text, read_file, read_text

# ---- the doors: `siamtrack.system` for files, `siamtrack.outside` for JSON, `siamtrack.config` for YAML

READERS = {
    *("open", "io.open", "os.open", "os.fdopen", "np.load", "np.loadtxt", "np.genfromtxt", "np.fromfile", "np.memmap"),
    *("json.load", "json.loads", "yaml.load", "yaml.safe_load", "yaml.full_load", "yaml.unsafe_load", "yaml.safe_load_all"),
    *("torch.load", "pickle.load", "pickle.loads", "marshal.loads", "safe_open", "load_file", "shelve.open", "eval", "exec"),
    *("tarfile.open", "zipfile.ZipFile", "ZipFile", "ElementTree.parse", "cv2.imread", "cv2.imreadmulti"),
}
METHODS = {"open", "read_text", "read_bytes"}
"""Of paths. What a method's object is cannot be seen here, so all methods of these names count."""

ALLOWED = {
    # The doors themselves.
    "siamtrack.system": {"open": 1, "os.open": 1},
    "siamtrack.machine": {".read_text": 3},  # files of /proc
    "siamtrack.outside": {"json.loads": 1},
    "siamtrack.data.label_files": {".read_text": 1},  # the system's, called by its module
    # Archives and checkpoints, behind the checks of their sizes; archives of stills are read by the places in them.
    "siamtrack.model.weights": {"torch.load": 1, "zipfile.ZipFile": 1, "json.loads": 1, ".read_text": 1},
    "siamtrack.data.stills": {"tarfile.open": 1},
    "siamtrack.train.synthesis": {"tarfile.open": 1, "np.fromfile": 1},
    "siamtrack.verify.items": {"np.load": 1},  # of bytes that were read
    # Files of the package, or of another one that is installed.
    "siamtrack.backends.onnx": {".read_bytes": 1},
    "siamtrack.backends.select": {".read_text": 1},
    "siamtrack.data.benchmark_readers": {"json.loads": 1, ".read_text": 1},
    "siamtrack.data.otb": {".read_text": 1},
    "siamtrack.eval.report_page": {".read_text": 1},
    "siamtrack.whole.folder": {".read_text": 1},
    "siamtrack.live.web.app": {".read_bytes": 1},
    "siamtrack.train.tracker_task": {"torch.load": 1},
    # What this process, or another one of the same run, has just written.
    "siamtrack.lock": {"json.loads": 1},
    "siamtrack.batch.worker": {"json.loads": 2},
    "siamtrack.eval.store": {"json.loads": 1, "zipfile.ZipFile": 1},
    "siamtrack.eval.tune_study": {"json.loads": 1},
    "siamtrack.live.web.archive": {".open": 1},
    # Crops are mapped, not read.
    "siamtrack.train.crops": {"np.memmap": 1, "safe_open": 1, "json.loads": 1, ".open": 1},
    # Messages are limited by `protocol` itself.
    "siamtrack.live.web.protocol": {"json.loads": 1},
}
"""How often a module may read something by itself. `siamtrack.video` opens what is no file, and has its own tests."""


def reads(path: Path) -> Counter[str]:
    """How often a file reads something by itself; opening to write (w, a, x) is another matter."""
    found: Counter[str] = Counter()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if name not in READERS and method not in METHODS:
            continue
        given = [*node.args[:2], *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
        modes = [item.value for item in given if isinstance(item, ast.Constant) and isinstance(item.value, str)]
        if not any(re.fullmatch(r"[wax][bt+]*", mode) for mode in modes):
            found[name if name in READERS else f".{method}"] += 1
    return found


def test_nothing_is_read_but_through_the_doors() -> None:
    own = {name: path for name, path in modules().items() if not name.startswith("siamtrack.video")}
    found = {name: dict(counts) for name, path in own.items() if (counts := reads(path))}
    assert found == ALLOWED, "read files by siamtrack.system, JSON by siamtrack.outside, YAML by siamtrack.config"


def test_a_way_past_the_doors_would_be_seen(tmp_path: Path) -> None:
    lines = ["json.load(open(x))", "torch.load(x)", "p.read_text()", "p.open('w')", "p.open(mode='rb')", "yaml.safe_load(x)"]
    (tmp_path / "a.py").write_text("\n".join(lines))
    assert reads(tmp_path / "a.py") == {
        "json.load": 1,
        "open": 1,
        "torch.load": 1,
        ".read_text": 1,
        ".open": 1,
        "yaml.safe_load": 1,
    }


# ---- files


def test_only_regular_files_are_opened_and_nothing_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, what in ((tmp_path / "pipe", "is a pipe"), (tmp_path, "is a folder"), (Path("/dev/zero"), "is a device")):
        with pytest.raises(DataError, match=what):
            open_file(path, 100)
    with pytest.raises(FileNotFoundError, match="none not found"):
        open_file(tmp_path / "none", 100)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_file(Path("\0"), 100, ConfigError)
    with pytest.raises(DataError, match=r"cannot be read .*too long"):
        read_file(tmp_path / ("a" * 300), 100)
    (tmp_path / "file").write_bytes(b"12345")
    with pytest.raises(DataError, match=r"cannot be read .Not a directory"):
        read_file(tmp_path / "file" / "below", 100)


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object, *_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    (tmp_path / "file").write_bytes(b"12345")
    monkeypatch.setattr(os, "open", refuse)  # root may read anything
    with pytest.raises(WeightsError, match=r"file cannot be read \(Permission denied\)"):
        read_file(tmp_path / "file", 100, WeightsError)


def test_no_more_is_read_than_such_a_file_may_have(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_file(tmp_path / "file", 5) == b"12345"
    with pytest.raises(DataError, match="has 5 bytes; such a file has at most 4"):
        read_file(tmp_path / "file", 4)
    assert read_file(Path("/proc/self/status"), 2**20).startswith(b"Name:"), "which says that it has no bytes"
    with pytest.raises(DataError, match="more than 10 bytes"):
        read_file(Path("/proc/self/status"), 10)


def test_text_is_utf8(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n")
    assert read_text(tmp_path / "file") == "a\nb\nc\n"
    with open_text(tmp_path / "file") as stream:
        assert stream.read() == "a\r\nb\rc\n"
    (tmp_path / "file").write_bytes(b"a\nb\xff")
    with pytest.raises(DataError, match=r"is not UTF-8 text .*byte 3"):
        read_text(tmp_path / "file")


# ---- text in messages


def test_text_from_outside_is_short_and_printable_in_messages() -> None:
    assert one_line("a\x1b[31m\nb\udcff\u202e") == r"a\x1b[31m b\xff\u202e"
    assert len(one_line("é" * 10**6)) == 200
    nested: Any = "x"
    for _ in range(40):
        nested = [nested] * 9
    for value in (nested, {"a": nested}, "\x07" * 10**6, 10**5000, b"\0" * 1000, {i: i for i in range(10**5)}):
        text = shown(value)
        assert len(text) <= 200
        assert text.isprintable()
    assert shown("it's") == repr("it's")
    assert "16610 bits" in shown(10**5000)


# ---- numbers


def kind(value: Any) -> str:
    return type(value).__name__  # Python does not write whole numbers of thousands of digits


@pytest.mark.parametrize(
    "value", ["1", b"1", None, float("nan"), float("inf"), 10**400, [1], 1j, np.str_("1"), np.array([1.0, 2.0])], ids=kind
)
def test_what_is_no_finite_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"x is .*a finite number"):
        finite(value, "x")


@pytest.mark.parametrize(
    "value", ["1", b"1", None, 1.0, True, 2**63, -(2**63) - 1, 10**5000, np.float32(1), np.array([1, 2])], ids=kind
)
def test_what_is_no_whole_number_of_64_bits_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"x is .*a whole number"):
        whole(value, "x")


def test_numbers_of_any_type_are_taken() -> None:
    assert [finite(value, "x") for value in (1, 1.5, np.float32(2), np.int8(3))] == [1, 1.5, 2, 3]
    assert [whole(value, "x") for value in (MAX_INT, -MAX_INT - 1, np.int64(3))] == [MAX_INT, -MAX_INT - 1, 3]
    with pytest.raises(ValueError, match="from 1 to 9"):
        whole(10, "x", 1, 9)
    with pytest.raises(ValueError, match="of 0 or more"):
        finite(-1, "x", 0)


# ---- JSON


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON|inside one another"),
        ("[" * 65 + "]" * 65, "more than 64"),
        ('{"a":' * 200 + "1" + "}" * 200, "more than 64"),
        ("9" * 5000, "64 bits"),
        (f"[{2**63}]", "64 bits"),
        (b"\xff", "is not JSON"),
    ],
)
def test_json_has_limits(text: str | bytes, why: str) -> None:
    with pytest.raises(DataError, match=f"run.json.*({why})"):
        parse_json(text, "run.json")


def test_json_within_the_limits_is_read(tmp_path: Path) -> None:
    deep = "[" * 63 + "]" * 63
    (tmp_path / "a.json").write_text(f'\ufeff{{"a": [1, -{MAX_INT}, 1.5, null], "b": {deep}}}')
    assert read_json(tmp_path / "a.json")["a"] == [1, -MAX_INT, 1.5, None]
    with pytest.raises(ConfigError, match="at most 10"):
        read_json(tmp_path / "a.json", ConfigError, most=10)
    assert parse_json("[" * 65 + "]" * 65, "a table", depth=None) is not None


# ---- errors of the system on the command line


def system_error(number: int, path: str = "/data/x", other: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), path, None, other)


def opencv_error() -> Exception:
    try:
        cv2.cvtColor(np.zeros((0, 0), np.uint8), cv2.COLOR_BGR2GRAY)
    except cv2.error as error:
        return error
    raise AssertionError


def led_to_by(cause: Exception, error: Exception | None = None) -> Exception:
    error = error or OSError("libllvmlite is not there")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (system_error(errno.EACCES), "/data/x cannot be used (Permission denied); change its permissions"),
        (system_error(errno.EISDIR), "/data/x cannot be used (Is a directory); give a file, not a folder"),
        (system_error(errno.ENOTDIR), "/data/x cannot be used (Not a directory); give a folder, not a file"),
        (system_error(errno.ENAMETOOLONG), "give a shorter name"),
        (system_error(errno.ENOSPC), "make room"),
        (system_error(errno.EMFILE), "ulimit -n"),
        (system_error(errno.EROFS, "a\udcffb\x1b"), r"a\xffb\x1b cannot be used"),
        (system_error(errno.EXDEV, "a", "b"), "a and b cannot be used"),
        (OSError("no number"), "no number"),
        (FileNotFoundError("x not found; give another"), "x not found; give another"),
        (OutputError("x cannot be written"), "x cannot be written"),
        (MemoryError("Unable to allocate 6 TiB"), "out of memory (Unable to allocate 6 TiB)"),
        (MemoryError(), "out of memory (no reason given)"),
        (ImportError("av/filter.so: failed to map segment from shared object"), "out of memory (av/filter.so: failed"),
        (RuntimeError("[ONNXRuntimeError] : 1 : FAIL : std::bad_alloc"), "ulimit -v"),
        (
            led_to_by(ImportError("libx.so: failed to map segment from shared object")),
            "out of memory (libllvmlite is not there)",
        ),
        (led_to_by(MemoryError(), OutputError("x is too large")), "error: x is too large"),
        (OverflowError("int too large"), "a number is too large (int too large)"),
        (opencv_error(), "OpenCV cannot do this"),
        (ValueError("a\nb" + "c" * 9000), "a b" + "c" * 500),
    ],
)
def test_errors_of_the_system_are_one_line(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "_chosen", lambda words: fail)
    monkeypatch.setattr(sys, "argv", ["siamtrack", "doctor"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    text = capsys.readouterr().err
    assert ended.value.code == 2
    assert text.count("\n") == 1
    assert text.startswith("siamtrack: error: ")
    assert words in text
    assert len(text) < 2100


def test_without_memory_for_the_message_there_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(cli, "_chosen", fail)
    monkeypatch.setattr(cli, "note", fail)
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert capsys.readouterr().err == "siamtrack: error: out of memory, even to say where\n"


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(cli, "_chosen", lambda words: fail)
    with pytest.raises(KeyError):
        cli.main()
