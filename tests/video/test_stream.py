from __future__ import annotations

import errno
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.codec.hwaccel import hwdevices_available
from made_videos import FPS, SIZE_WH, damage, ffmpeg, number_in, picture, uncollected, write

from siamtrack.errors import SourceError
from siamtrack.frames import Image
from siamtrack.video import stream
from siamtrack.video.container import frames_about
from siamtrack.video.packets import PacketDecoder
from siamtrack.video.source import Frame, Source
from siamtrack.video.stream import StreamSource, VideoSource


class Read:
    """What came out of a source."""

    def __init__(self, source: Source, start: int = 0) -> None:
        self.error = ""
        self.frames: list[Frame] = []
        with source:
            try:
                self.frames.extend(source.read(start))
            except SourceError as error:
                self.error = str(error)
            self.source = source

    @property
    def indices(self) -> list[int]:
        return [frame.index for frame in self.frames]

    @property
    def times(self) -> list[float]:
        return [frame.time_s for frame in self.frames]

    @property
    def shown(self) -> list[int]:
        """The numbers that the pictures show."""
        return [number_in(frame.image) for frame in self.frames]


def read(path: Path, start: int = 0) -> Read:
    return Read(VideoSource(path), start)


def assert_whole(found: Read, count: int = 20) -> None:
    assert found.error == ""
    assert found.indices == found.shown == list(range(count))
    counts = found.source.counts
    assert (counts.decoded, counts.skipped, counts.damaged) == (count, 0, 0)
    assert found.source.notes == []


# Which frame is which, and when.


@pytest.mark.parametrize("name", ["b.mp4", "b.ts", "open.mp4", "edit.mp4", "m.avi", "v.webm"])
def test_a_start_is_exact(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "edit.mp4":
        ffmpeg("-ss", 0.3, "-i", write(tmp_path / "w.mp4", pictures=30, gop_size=12), "-c", "copy", path)
    else:
        codec = {"m.avi": "mpeg4", "v.webm": "libvpx-vp9"}.get(name, "libx264")
        options = {"x264-params": "open-gop=1"} if name == "open.mp4" else {}
        write(path, codec, 30, gop_size=12, options=options, max_b_frames=0 if "webm" in name else 2)
    whole = read(path)
    assert whole.indices == list(range(len(whole.frames)))
    assert whole.shown == [whole.shown[0] + i for i in whole.indices]
    for start in (1, 11, 12, 13, len(whole.frames) - 1):
        found = read(path, start)
        assert found.indices == whole.indices[start:]
        assert found.times == whole.times[start:]
        assert all((a.image == b.image).all() for a, b in zip(found.frames, whole.frames[start:], strict=True))


@pytest.mark.parametrize(
    ("name", "unit", "stamps"),
    [
        ("ten_seconds.mp4", Fraction(1, 1000), [10_000 + 40 * i for i in range(20)]),
        ("thousand.mp4", Fraction(1, 1000), list(range(20))),
        ("half.mkv", Fraction(1, 1000), [2000 * i for i in range(20)]),
        ("ninety_thousand.mp4", Fraction(1, 90_000), list(range(20))),
        ("pauses.mkv", Fraction(1, 1000), [33 * i + i // 5 * 2000 for i in range(20)]),
        ("pauses.ts", Fraction(1, 90_000), [3600 * i + i // 5 * 180_000 for i in range(20)]),
        ("grows.mov", Fraction(1, 600), [i * i for i in range(20)]),
        ("day.mkv", Fraction(1, 1), [4320 * i for i in range(20)]),
    ],
)
def test_times_are_the_stamps(tmp_path: Path, name: str, unit: Fraction, stamps: list[int]) -> None:
    found = read(write(tmp_path / name, stamps=stamps, unit=unit, rate=1 / unit))
    assert_whole(found)
    assert found.times == pytest.approx([float((stamp - stamps[0]) * unit) for stamp in stamps], abs=2e-5)


@pytest.mark.parametrize(("muxer", "codec"), [("h264", "libx264"), ("hevc", "libx265")])
def test_without_stamps_frames_are_counted(tmp_path: Path, muxer: str, codec: str) -> None:
    # A picture comes out up to four packets behind its own, which no stamp tells.
    options = {"x265-params": "log-level=none:pools=1:frame-threads=1:bframes=4:b-adapt=0"} if codec == "libx265" else {}
    found = read(write(tmp_path / f"raw.{muxer}", codec, muxer=muxer, options=options))
    assert_whole(found)
    assert found.times == pytest.approx([i / FPS for i in range(20)])


def test_stamps_that_begin_anew_do_not_turn_time_back(tmp_path: Path) -> None:
    # Two recordings put behind each other.
    part = write(tmp_path / "part.ts", max_b_frames=0)
    both = tmp_path / "both.ts"
    both.write_bytes(2 * part.read_bytes())
    found = read(both)
    assert found.error == ""
    assert found.shown == 2 * list(range(20))
    assert found.indices == list(range(40))
    assert all(b > a for a, b in pairwise(found.times))


def test_frames_with_one_stamp_are_counted_as_duplicates(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", "mjpeg", 4, "yuvj420p")
    data = path.read_bytes()
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    # In front of a block's data: its track, its stamp within the cluster, and flags.
    at = data.index(b"\x81\x00\x50\x80", packets[1].pos)
    path.write_bytes(data[:at] + b"\x81\x00\x28\x80" + data[at + 4 :])
    found = read(path)
    assert found.shown == [0, 1, 2, 3]
    assert found.source.counts.duplicated == 1
    assert found.times == pytest.approx([0, 0.04, 0.08, 0.12])


def test_the_rate_is_no_unit_of_stamps(tmp_path: Path) -> None:
    stamps = [33 * i + i // 5 * 2000 for i in range(20)]
    with VideoSource(write(tmp_path / "a.mkv", stamps=stamps, unit=Fraction(1, 1000), rate=1000)) as source:
        assert source.fps < 100
    with VideoSource(write(tmp_path / "b.mp4")) as source:
        assert source.fps == FPS


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.avi", "mpeg4"), ("b.mp4", "libx265"), ("a.webm", "libvpx-vp9")]
)
def test_frames_are_those_of_opencv_to_the_bit(tmp_path: Path, name: str, codec: str) -> None:
    # Results of earlier versions, which read with OpenCV, stay what they were.
    path = write(tmp_path / name, codec, 10, colorspace=5, color_range=1)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    for frame in read(path).frames:
        assert (frame.image == capture.read()[1]).all()


# Which way up, and of what shape.


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("flip", ["", "-display_hflip", "-display_vflip"])
def test_frames_come_upright(tmp_path: Path, degrees: int, flip: str) -> None:
    path = tmp_path / "turned.mp4"
    plain = write(tmp_path / "a.mp4", pictures=1)
    ffmpeg("-display_rotation", degrees, *([flip] if flip else []), "-i", plain, "-c", "copy", path)
    # The program turns what it decodes by its own rule.
    ffmpeg("-i", path, tmp_path / "upright.png")
    with av.open(str(tmp_path / "upright.png")) as container:
        expected = next(container.decode(video=0)).to_ndarray(format="bgr24")
    image = read(path).frames[0].image
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 3
    assert image.flags["C_CONTIGUOUS"]


def test_the_shape_of_pixels_is_known_and_turns_with_the_frame(tmp_path: Path) -> None:
    wide, turned = write(tmp_path / "wide.mp4", sample_aspect_ratio=Fraction(4, 3)), tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", 90, "-i", wide, "-c", "copy", turned)
    assert read(wide).source.sample_aspect == Fraction(4, 3)
    assert read(turned).source.sample_aspect == Fraction(3, 4)
    assert read(write(tmp_path / "square.mp4")).source.sample_aspect == 1


def test_a_size_may_change_on_the_way(tmp_path: Path) -> None:
    small = write(tmp_path / "a.ts", max_b_frames=0)
    large = write(tmp_path / "b.ts", pictures=[picture(i, (128, 96)) for i in range(5)], max_b_frames=0)
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    found = read(both)
    assert found.shown == [*range(20), *range(5)]
    assert {frame.image.shape for frame in found.frames[:20]} == {(64, 96, 3)}
    assert {frame.image.shape for frame in found.frames[20:]} == {(96, 128, 3)}


# Which stream.


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_poster_is_not_the_video(tmp_path: Path, name: str) -> None:
    poster = write(tmp_path / "p.mp4", "mjpeg", [picture(99)], "yuvj420p")
    video, path = write(tmp_path / "v.mp4"), tmp_path / name
    ffmpeg("-i", poster, "-i", video, "-map", 0, "-map", 1, "-c", "copy", "-disposition:v:0", "default", path)
    found = read(path)
    assert found.shown == list(range(20))
    assert found.source.notes == ["it holds 2 videos; number 2 is read"]


def test_of_two_videos_the_default_is_read(tmp_path: Path) -> None:
    first, second, path = write(tmp_path / "a.mp4"), write(tmp_path / "b.mp4", pictures=21), tmp_path / "two.mkv"
    for default, count in ((0, 20), (1, 21)):
        marks = [f"-disposition:v:{i}" if j == 0 else ("default" if i == default else "0") for i in (0, 1) for j in (0, 1)]
        ffmpeg("-i", first, "-i", second, "-map", 0, "-map", 1, "-c", "copy", *marks, path)
        assert len(read(path).frames) == count


def test_a_length_that_is_damaged_hides_no_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = SimpleNamespace(frames=0, duration=-9, time_base=Fraction(1), average_rate=25, guessed_rate=25, metadata={})
    monkeypatch.setattr(stream, "frames_about", lambda _: frames_about(lengths))
    assert_whole(read(write(tmp_path / "a.mkv")))


def test_sound_with_a_cover_is_no_video(tmp_path: Path) -> None:
    cover, sound = write(tmp_path / "cover.mp4", "mjpeg", 1, "yuvj420p"), ("-f", "lavfi", "-i", "sine=d=1")
    path = tmp_path / "song.mp3"
    ffmpeg(*sound, "-i", cover, "-map", 0, "-map", 1, "-c:v", "copy", "-disposition:v", "attached_pic", path)
    with pytest.raises(SourceError, match=r"song\.mp3 holds no video, only sound or a cover picture"):
        VideoSource(path)
    ffmpeg(*sound, tmp_path / "song.wav")
    with pytest.raises(SourceError, match="holds no video"):
        VideoSource(tmp_path / "song.wav")


def test_a_video_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.mp4")

    def locked(name: object, flags: int, *_: int) -> int:  # by `chmod` nothing is locked for root
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(name))

    monkeypatch.setattr(os, "open", locked)
    with pytest.raises(SourceError, match=r"a\.mp4 cannot be read \(Permission denied\); mend that"):
        VideoSource(path)


def test_a_codec_without_decoder_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4")
    for name, told in ((b"qzxw", "'qzxw'"), (b"evc1", "evc")):  # the second is one that FFmpeg knows by name
        path.write_bytes(write(tmp_path / "b.mp4").read_bytes().replace(b"avc1", name))
        with pytest.raises(SourceError, match=f"is coded as {told}, for which PyAV .* has no decoder"):
            VideoSource(path)


def test_the_sound_of_the_frames_is_known(tmp_path: Path) -> None:
    path = tmp_path / "late.ts"
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", "-i", write(tmp_path / "v.mp4"), "-c:v", "copy", "-output_ts_offset", 10, path)
    source = read(path).source
    assert source.audio is not None
    with av.open(source.audio.path) as container:
        stream = container.streams.video[0]
        assert source.audio.origin_s == pytest.approx(float(stream.start_time * stream.time_base))
    assert 10 <= source.audio.origin_s < 12
    assert read(write(tmp_path / "mute.mp4")).source.audio is None


# Interlaced.


@pytest.mark.parametrize("count", [1, 2, 3, 20])
@pytest.mark.parametrize("name", ["i.mp4", "i.mpg", "i.mov"])
def test_interlaced_frames_are_made_whole(tmp_path: Path, name: str, count: int) -> None:
    # Fields of two moments: the even lines of one picture and the odd ones of the next.
    moments = [picture(i, (96, 128)) for i in range(2 * count)]
    woven = [a.copy() for a in moments[::2]]
    for frame, later in zip(woven, moments[1::2], strict=True):
        frame[1::2] = later[1::2]
    codec, pix_fmt = {
        "i.mp4": ("libx264", "yuv420p"),
        "i.mpg": ("mpeg2video", "yuv420p"),
        "i.mov": ("prores_ks", "yuv422p10le"),
    }[name]
    plain = tmp_path / "plain.mkv"
    write(plain, "ffv1", woven, "yuv422p")
    quality = {"i.mp4": ["-crf", 5, "-x264opts", "tff=1"], "i.mpg": ["-q:v", 1]}.get(name, [])
    ffmpeg(
        "-i",
        plain,
        "-vf",
        "setfield=tff",
        "-pix_fmt",
        pix_fmt,
        "-c:v",
        codec,
        "-flags",
        "+ilme+ildct",
        *quality,
        tmp_path / name,
    )
    found = read(tmp_path / name)
    assert found.error == ""
    assert found.indices == list(range(count))
    assert found.times == pytest.approx([i / FPS for i in range(count)], abs=1e-6)
    for frame, first in zip(found.frames, moments[::2], strict=True):
        ground = np.s_[64:, :]  # where no block flickers
        assert np.abs(frame.image[ground].astype(int) - first[ground]).mean() < 6
    assert read(tmp_path / name, count - 1).indices == [count - 1]


def test_progressive_frames_are_left_alone(tmp_path: Path) -> None:
    found = read(write(tmp_path / "a.mkv", "ffv1", pix_fmt="bgr0"))
    assert all((frame.image == picture(frame.index)).all() for frame in found.frames)


# Damage.


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.avi", "mjpeg", "yuvj420p"),
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mkv", "libx264", "yuv420p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.mov", "prores_ks", "yuv422p10le"),
        ("b.mp4", "libx265", "yuv420p"),
        ("c.mp4", "libsvtav1", "yuv420p"),
    ],
)
def test_a_damaged_packet_costs_only_its_own_frames(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    path = damage(write(tmp_path / name, codec, 30, pix_fmt, gop_size=10), 10)
    found = read(path)
    assert found.error == ""
    lost = sorted(set(range(30)) - set(found.indices))
    assert lost
    assert set(lost) <= set(range(7, 20))
    assert found.source.counts.skipped == len(lost)
    assert found.source.counts.decoded == 30 - len(lost)
    # What was predicted from it is shown, and told.
    intra = codec in ("mjpeg", "prores_ks")
    guessed = [] if intra else [i for i in found.indices if lost[0] < i < 10 * (lost[-1] // 10 + 1)]
    assert found.source.counts.damaged == len(guessed)
    assert all(number == i for number, i in zip(found.shown, found.indices, strict=True) if i not in guessed)
    assert found.times == pytest.approx([i / FPS for i in found.indices], abs=2e-3)
    note = found.source.notes[0]
    assert note.startswith("frames that cannot be decoded are left out, the others keep their numbers: ")
    assert str(lost[0]) in note
    # One of those is no place to begin.
    beginning = read(path, lost[0])
    assert beginning.frames == []
    after = min(i for i in found.indices if i > lost[0])
    assert f"frame {lost[0]} of {path} cannot be decoded; the next that can is {after}" in beginning.error
    assert read(path, after).indices == [i for i in found.indices if i >= after]


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "mjpeg"), ("a.mp4", "libx264"), ("a.webm", "libvpx-vp9")])
def test_a_damaged_first_frame_does_not_shift_the_others(tmp_path: Path, name: str, codec: str) -> None:
    path = damage(write(tmp_path / name, codec, 30, "yuvj420p" if codec == "mjpeg" else "yuv420p", gop_size=10), 0)
    after = 1 if codec == "mjpeg" else 10
    assert f"frame 0 of {path} cannot be decoded; the next that can is {after}" in read(path).error
    found = read(path, after)
    assert found.indices == found.shown == list(range(after, 30))


def test_intact_frames_before_a_damaged_last_one_are_not_lost(tmp_path: Path) -> None:
    # The decoder's threads would take them along.
    found = read(damage(write(tmp_path / "a.mp4", pictures=30, max_b_frames=0), 29))
    assert found.indices == found.shown == list(range(29))
    assert found.source.counts.decoded == 29
    assert found.source.counts.skipped == 1
    assert "breaks off after 29 of 30 frames" in found.error


def test_frames_decoded_with_errors_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.avi", "mpeg4", 20, max_b_frames=0, gop_size=30)
    found = read(damage(path, 10))
    assert found.indices == list(range(20))
    assert found.source.counts.damaged >= 1
    assert any("decoded with errors" in note for note in found.source.notes)


@pytest.mark.parametrize("name", ["front.mp4", "pieces.mp4", "a.avi", "a.mkv", "a.webm", "a.flv", "a.wmv"])
def test_a_cut_file_gives_its_frames_and_then_says_so(tmp_path: Path, name: str) -> None:
    flags = {"front.mp4": "faststart", "pieces.mp4": "frag_keyframe+empty_moov+default_base_moof"}
    codec = {"a.avi": "mpeg4", "a.webm": "libvpx-vp9", "a.flv": "flv1", "a.wmv": "wmv2"}.get(name, "libx264")
    path = tmp_path / name
    ffmpeg(
        "-i",
        write(tmp_path / "w.mkv", "ffv1", 40, "yuv420p"),
        "-c:v",
        codec,
        "-g",
        5,
        "-movflags",
        flags.get(name, "0"),
        "-fps_mode",
        "passthrough",
        path,
    )
    assert_whole(read(path), 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    found = read(path)
    intact = len(found.frames) - found.source.counts.damaged  # of a WMV the last one may be half there
    assert found.indices[:intact] == found.shown[:intact] == list(range(intact))
    assert 3 < intact < 38
    assert f"breaks off after {len(found.frames)} " in found.error
    assert "the file is cut or damaged" in found.error


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.avi"])
def test_a_hole_behind_which_nothing_is_found_is_named(tmp_path: Path, name: str) -> None:
    codec = {"a.webm": "libvpx-vp9", "a.avi": "mpeg4"}.get(name, "libx264")
    path = write(tmp_path / name, codec, 40, gop_size=5)
    data = bytearray(path.read_bytes())
    begin, end = len(data) * 3 // 10, len(data) * 9 // 10
    data[begin:end] = bytes(end - begin)
    path.write_bytes(bytes(data))
    found = read(path)
    assert len(found.frames) < 30
    assert "breaks off after" in found.error


def test_a_hole_from_a_third_on_is_named(tmp_path: Path, write_clip: Callable[..., Path]) -> None:
    # Whole in length, but from a third on nothing can be decoded.
    path = write_clip(tmp_path / "whole.mp4", frames=60)
    data = bytearray(path.read_bytes())
    begin, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    hole = begin + (end - begin) // 3
    data[hole:end] = bytes(end - hole)
    path.write_bytes(bytes(data))
    with VideoSource(path) as source, pytest.raises(SourceError, match=r"breaks off|damaged"):
        list(source.read())


def test_files_that_are_no_video(clip: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("this is not a video\n" * 50)
    empty = tmp_path / "empty.mp4"
    empty.write_bytes(b"")
    headless = tmp_path / "headless.mp4"  # the index was at the end, and is gone
    headless.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    for path, message in ((text, "cannot be opened"), (empty, "empty"), (headless, "cannot be opened")):
        with pytest.raises(SourceError, match=message):
            VideoSource(path)


def test_an_avi_may_count_units_shorter_than_a_frame(tmp_path: Path) -> None:
    path = write(tmp_path / "a.avi", "mpeg4", 40, unit=Fraction(1, 600), stamps=range(0, 960, 24), rate=600)
    with VideoSource(path) as source:
        assert source.frame_count == 40
    assert_whole(read(path), 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 4 // 10])
    assert "of 40 frames; the file is cut" in read(path).error


def test_what_lies_behind_the_last_frame_is_no_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ivf", "libvpx")
    path.write_bytes(path.read_bytes() + random.Random(0).randbytes(9000))
    assert_whole(read(path))


@pytest.mark.parametrize("flags", ["frag_every_frame+empty_moov", "frag_keyframe"])
def test_a_hole_between_the_pieces_of_a_recording_is_named(tmp_path: Path, flags: str) -> None:
    path = write(tmp_path / "a.mp4", gop_size=5, container_options={"movflags": f"{flags}+default_base_moof"})
    assert_whole(read(path))
    data = bytearray(path.read_bytes())
    middle = data.index(b"moof", len(data) // 2) - 4
    data[middle : middle + 60] = bytes(60)
    path.write_bytes(bytes(data))
    found = read(path)
    assert 3 < len(found.frames) < 17
    assert f"breaks off after {len(found.frames)} frames; the file is cut" in found.error


def test_half_an_index_is_no_lack_of_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    sound = ["-f", "lavfi", "-i", "sine", "-shortest"]
    ffmpeg("-i", write(tmp_path / "v.mp4", "mpeg4"), *sound, "-map", 1, "-map", 0, "-c:v", "copy", path)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"trak") - 4])
    with pytest.raises(SourceError, match=r"holds no video.*the file is cut or damaged"):
        VideoSource(path)


def test_a_recording_in_pieces_may_be_cut_anywhere(tmp_path: Path) -> None:
    whole, path = tmp_path / "w.mp4", tmp_path / "cut.mp4"
    flags = ("-g", 5, "-movflags", "frag_keyframe+empty_moov+default_base_moof")
    ffmpeg("-i", write(tmp_path / "w.mkv", "ffv1", 20, "yuv420p"), "-c:v", "libx264", *flags, whole)
    data = whole.read_bytes()
    first = data.index(b"mdat")
    counts = []
    for size in range(data.index(b"moof", first) - 4, len(data), 97):
        path.write_bytes(data[:size])
        found = read(path)
        assert found.indices == found.shown == list(range(len(found.frames)))
        counts.append(len(found.frames))
    assert counts == sorted(counts)
    assert counts[0] == 5
    assert counts[-1] in (19, 20)


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.ts", "a.flv", "a.mpg", "a.ogv", "a.wmv", "a.mp4"])
def test_longer_sound_is_no_cut(tmp_path: Path, name: str) -> None:
    codec = {"a.webm": "libvpx", "a.flv": "flv1", "a.mpg": "mpeg2video", "a.ogv": "libtheora", "a.wmv": "wmv2"}.get(
        name, "libx264"
    )
    sound = {"a.webm": "libopus", "a.ogv": "libvorbis"}.get(name, "aac" if name in ("a.mkv", "a.ts", "a.mp4") else "mp2")
    sound = "libmp3lame" if name == "a.flv" else sound
    path = tmp_path / name
    video = write(tmp_path / "v.mkv", "ffv1", 20, "yuv420p")
    ffmpeg("-i", video, "-f", "lavfi", "-i", "sine=d=1.4:r=44100", "-c:v", codec, "-q:v", 2, "-c:a", sound, path)
    found = read(path)
    assert found.error == ""
    assert found.indices == list(range(20))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.ts", "a.flv"])
def test_what_was_trimmed_without_encoding_is_no_cut(tmp_path: Path, name: str) -> None:
    whole, path = tmp_path / "w.mp4", tmp_path / name
    video = write(tmp_path / "v.mp4", pictures=40, gop_size=12, max_b_frames=0)
    ffmpeg("-i", video, "-f", "lavfi", "-i", "sine=d=1.6:r=44100", "-c:v", "copy", "-c:a", "aac", whole)
    ffmpeg("-ss", 0.6, "-i", whole, "-t", 0.5, "-c", "copy", path)
    found = read(path)
    assert found.error == ""
    assert found.source.counts.skipped == 0
    assert found.indices == list(range(len(found.frames)))
    assert found.shown == [found.shown[0] + i for i in found.indices]
    if name == "a.mp4":  # all frames are in the file, an edit list skips the first ones
        assert (found.source.frame_count or 0) > len(found.frames)


@pytest.mark.parametrize("name", ["a.ts", "a.flv", "a.mkv"])
def test_what_begins_between_key_frames_begins_with_the_next(tmp_path: Path, name: str) -> None:
    video = write(tmp_path / "v.mp4", pictures=40, gop_size=12, max_b_frames=0)
    with av.open(str(video)) as source, av.open(str(tmp_path / name), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in list(source.demux(video=0))[5:]:
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    found = read(tmp_path / name)
    assert found.error == ""
    assert found.indices == list(range(28))
    assert found.shown == list(range(12, 40))


_BROKEN = [(name, what) for name in ("a.mp4", "a.mkv", "a.ts", "a.avi", "a.webm") for what in ("cut", "flip", "zero", "splice")]


@pytest.mark.parametrize(("name", "what"), _BROKEN)
def test_whatever_is_broken_ends_in_one_line(tmp_path: Path, name: str, what: str) -> None:
    codec = {"a.ts": "mpeg2video", "a.avi": "mjpeg", "a.webm": "libvpx-vp9"}.get(name, "libx264")
    path = write(tmp_path / name, codec, 12, "yuvj420p" if codec == "mjpeg" else "yuv420p", gop_size=5)
    whole, other = path.read_bytes(), write(tmp_path / "other.mkv", "mpeg4", 5).read_bytes()
    draw, errors = random.Random(f"{name} {what}"), list[str]()
    for _ in range(4):
        data, at = bytearray(whole), draw.randrange(len(whole))
        if what == "cut":
            data = data[:at]
        elif what == "flip":
            for place in draw.choices(range(len(data)), k=draw.choice((1, 5, 40))):
                data[place] ^= 1 << draw.randrange(8)
        elif what == "zero":
            data[at : at + 1500] = bytes(len(data[at : at + 1500]))
        else:
            data[at:] = other[draw.randrange(len(other)) :]
        path.write_bytes(bytes(data))
        try:
            found = read(path)
        except SourceError as error:
            errors.append(str(error))
            continue
        errors.append(found.error)
        assert found.indices == sorted(set(found.indices))
        assert all(b > a for a, b in pairwise(found.times))
        assert len(found.frames) <= 20
    assert not any("\n" in error for error in errors)


# From a server.


@contextmanager
def served(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def sends(data: bytes, share: float = 1.0) -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer with a file, or its beginning, after which the connection breaks."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: int(share * len(data))])

    return answer


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_a_file_from_a_server_that_ends_early_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    ffmpeg("-i", write(tmp_path / "w.mp4", pictures=40, gop_size=5), "-c", "copy", "-movflags", "faststart", path)
    with served(sends(path.read_bytes())) as url:
        source = StreamSource(f"{url}/{name}")
        assert not source.live
        assert_whole(Read(source), 40)
    with served(sends(path.read_bytes(), 0.6)) as url:
        found = Read(StreamSource(f"{url}/{name}"))
    assert found.indices == list(range(len(found.frames)))
    assert 5 < len(found.frames) < 35
    assert f"breaks off after {len(found.frames)} " in found.error


def test_what_has_no_length_is_live(tmp_path: Path) -> None:
    data = write(tmp_path / "a.ts").read_bytes()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(data)

    with served(answer) as url:
        source = StreamSource(f"{url}/live.ts")
        assert source.live
        assert source.frame_count is None
        found = Read(source)
    assert found.shown == list(range(20))


def test_a_server_that_is_silent_or_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/cam.mjpg"
        began = time.monotonic()
        with pytest.raises(SourceError, match="cannot be opened; check the address"):
            StreamSource(url, timeout_s=0.2)
        assert 0.15 < time.monotonic() - began < 10
    with pytest.raises(SourceError, match="cannot be opened; check the address"):
        StreamSource(url)


def test_a_device_that_is_missing_is_told_and_the_cpu_decodes(tmp_path: Path) -> None:
    # Every build of PyAV has some device for which a machine has no hardware, or its codec none.
    path = write(tmp_path / "a.mkv", "ffv1")
    device = hwdevices_available()[0]
    found = Read(VideoSource(path, hwaccel=device))
    assert found.indices == found.shown == list(range(20))
    assert found.source.notes == [f"{device} cannot decode it here; the CPU does"]
    with pytest.raises(ValueError, match="hwaccel is 'quantum'; this PyAV has "):
        VideoSource(path, hwaccel="quantum")


def test_frames_may_be_written_on(tmp_path: Path) -> None:
    frame: Image = read(write(tmp_path / "a.mp4", pictures=1)).frames[0].image
    assert frame.flags["C_CONTIGUOUS"]
    frame[:] = 7
    assert (frame == 7).all()
    assert (frame.shape[1], frame.shape[0]) == SIZE_WH


class Starved:
    """A codec context that gets no memory."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def decode(self, packet: Any) -> Any:
        raise av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory")


def test_pictures_are_freed_as_frames_are_read(clip: Path) -> None:
    with uncollected(av.VideoFrame) as alive:
        assert read(clip).frames
        assert alive() == 0


def test_a_video_for_which_there_is_no_memory_is_not_called_damaged(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = PacketDecoder.__init__

    def begin_starved(self: Any, *arguments: Any) -> None:
        begin(self, *arguments)
        self._context = Starved(self._context)

    monkeypatch.setattr(PacketDecoder, "__init__", begin_starved)
    with VideoSource(clip) as source, pytest.raises(MemoryError, match="no memory, or no threads, to decode with"):
        list(source.read())


def test_a_table_of_absurd_length_is_damage_though_memory_ends_on_it(clip: Path, tmp_path: Path) -> None:
    data = bytearray(clip.read_bytes())
    at = data.find(b"stts")
    data[at + 8 : at + 12] = b"\x0f\xff\xff\xff"
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data)
    with pytest.raises(SourceError, match=r"damaged.*too little memory"):
        VideoSource(broken)
