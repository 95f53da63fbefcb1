from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siamtrack.video.container import Container, inspect


def test_whole_files_say_how_long_they_are(clip: Path) -> None:
    container = inspect(clip)
    assert not container.cut
    assert container.duration_s == pytest.approx(20 / 25, abs=0.01)


@pytest.mark.parametrize("name", ["whole.mp4", "whole.avi", "whole.mov"])
def test_a_missing_end_is_noticed(tmp_path: Path, write_clip: Callable[..., Path], name: str) -> None:
    whole = write_clip(tmp_path / name)
    assert not inspect(whole).cut
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    assert inspect(whole).cut


def test_of_other_files_nothing_is_known(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    for data in (b"", b"abc", b"not a video at all"):
        path.write_bytes(data)
        assert inspect(path) == Container(False, None)


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_make_it_fail(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "fuzz.mp4"
    path.write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0" + data)
    inspect(path)
    path.write_bytes(b"\0\0\0\x08ftyp" + b"\0\0\0\x40moov" + data[:8] + b"mvhd" + data)
    inspect(path)
