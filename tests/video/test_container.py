from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_videos import ffmpeg

from siamtrack.video.container import is_cut


@pytest.mark.parametrize(
    "name", ["whole.mp4", "whole.avi", "whole.mov", "whole.mkv", "whole.webm", "whole.wmv", "front.mp4", "pieces.mp4"]
)
def test_a_missing_end_is_noticed(tmp_path: Path, clip: Path, name: str) -> None:
    flags = {"front.mp4": "faststart", "pieces.mp4": "frag_keyframe+empty_moov"}
    whole = tmp_path / name
    ffmpeg(
        "-i",
        clip,
        *(("-movflags", flags[name]) if name in flags else ()),
        *(("-deadline", "realtime") if "webm" in name else ()),
        whole,
    )
    assert not is_cut(whole)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    assert is_cut(whole)


def test_a_recording_that_was_not_closed_is_not_cut(tmp_path: Path, clip: Path) -> None:
    # It never learned its own length.
    path = tmp_path / "live.mkv"
    path.write_bytes(ffmpeg("-i", clip, "-f", "matroska", "pipe:1"))
    assert not is_cut(path)


def test_of_other_files_nothing_is_known(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    for data in (b"", b"abc", b"not a video at all", b"\x1a\x45\xdf\xa3", b"\x1a\x45\xdf\xa3\x18\x53\x80\x67\x01"):
        path.write_bytes(data)
        assert not is_cut(path)


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_make_it_fail(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "fuzz.mp4"
    path.write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0" + data)
    is_cut(path)
    path.write_bytes(b"\0\0\0\x08ftyp" + b"\0\0\0\x40moov" + data[:8] + b"mvhd" + data)
    is_cut(path)
    path.write_bytes(b"\x1a\x45\xdf\xa3" + data[:8] + b"\x18\x53\x80\x67" + data)
    is_cut(path)
