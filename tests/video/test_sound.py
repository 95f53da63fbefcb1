from __future__ import annotations

from pathlib import Path

import av
import pytest
from beeps import FPS, damage_sound, flash, heard, write_beeps
from made_videos import decoded, seconds

from siamtrack.video.frame_source import Audio
from siamtrack.video.sink import VideoSink

FRAMES = 50
START = 16  # between two beeps


def overlay(tmp_path: Path, audio: Audio, start: int = 0, stop: int = FRAMES) -> VideoSink:
    """A video of the frames from `start` to `stop`."""
    with VideoSink(tmp_path / "overlay.mp4", FPS, audio=audio) as sink:
        for index in range(start, stop):
            sink.write(flash(index), index / FPS)
    assert sorted(path.suffix for path in tmp_path.glob("overlay*")) == [".mp4"]
    return sink


def audio_of(path: Path) -> Audio:
    with av.open(str(path)) as container:
        return Audio(str(path), next(container.decode(video=0)).time)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout", "kept"),
    [
        ("a.mp4", "aac", 44_100, "stereo", "aac"),
        ("a.ts", "aac", 48_000, "stereo", "aac"),
        ("a.flv", "aac", 44_100, "mono", "aac"),
        ("a.mkv", "libmp3lame", 44_100, "mono", "mp3float"),
        ("a.mkv", "libopus", 48_000, "stereo", "opus"),
        ("a.mkv", "flac", 44_100, "stereo", "flac"),
    ],
)
@pytest.mark.parametrize("start", [0, START])
def test_sound_that_browsers_play_is_copied(
    tmp_path: Path, name: str, codec: str, rate: int, layout: str, kept: str, start: int
) -> None:
    source = write_beeps(tmp_path / name, codec, rate, layout)
    sink = overlay(tmp_path, audio_of(source), start)
    sound = heard(sink.path)
    assert sound is not None
    assert sink.notes == []
    assert (sound.codec, sound.rate, sound.channels) == (kept, rate, 1 if layout == "mono" else 2)
    assert sound.beeps_s[1 if start == 0 else 0 :] == pytest.approx(expected(start)[1 if start == 0 else 0 :], abs=0.005)
    assert sound.end_s == pytest.approx((FRAMES - start) / FPS, abs=0.11)  # a packet lasts so long at most


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout", "becomes"),
    [
        ("a.avi", "pcm_s16le", 44_100, "mono", 44_100),
        ("a.mov", "pcm_s16be", 48_000, "stereo", 48_000),
        ("a.mkv", "pcm_u8", 8_000, "mono", 8_000),
        ("a.mkv", "vorbis", 44_100, "stereo", 44_100),
        ("a.ts", "ac3", 48_000, "stereo", 48_000),
        ("a.mkv", "ac3", 48_000, "5.1", 48_000),
        ("a.ts", "mp2", 48_000, "stereo", 48_000),
        ("a.mov", "pcm_s24le", 192_000, "stereo", 48_000),
        ("a.avi", "libmp3lame", 11_025, "mono", 11_025),  # an MP4 takes no MP3 of so low a rate
    ],
)
@pytest.mark.parametrize("start", [0, START])
def test_other_sound_becomes_aac(
    tmp_path: Path, name: str, codec: str, rate: int, layout: str, becomes: int, start: int
) -> None:
    video = "mpeg4" if name.endswith("avi") else "libx264"
    source = write_beeps(tmp_path / name, codec, rate, layout, video=video)
    sink = overlay(tmp_path, audio_of(source), start)
    sound = heard(sink.path)
    assert sound is not None
    assert sink.notes == []
    assert (sound.codec, sound.rate, sound.channels) == ("aac", becomes, 1 if layout == "mono" else 2)
    delay_s = 0.1 if codec == "libmp3lame" else 0  # the encoder's, of which an AVI does not tell
    assert sound.beeps_s == pytest.approx([at + delay_s for at in expected(start)], abs=0.012)
    assert sound.end_s == pytest.approx((FRAMES - start) / FPS, abs=0.11)


def expected(start: int) -> list[float]:
    """When beeps begin in a video from frame `start` on."""
    return [at - start / FPS for at in (0, 0.5, 1, 1.5) if at >= start / FPS]


@pytest.mark.parametrize("name", ["a.ts", "a.mkv"])
def test_sound_is_in_step_where_time_stamps_begin_late(tmp_path: Path, name: str) -> None:
    source = write_beeps(tmp_path / name, origin_s=10)
    audio = audio_of(source)
    assert audio.origin_s > 9
    sound = heard(overlay(tmp_path, audio, START).path)
    assert sound is not None
    assert sound.beeps_s == pytest.approx(expected(START), abs=0.005)


def test_only_the_sound_of_the_frames_written_is_kept(tmp_path: Path) -> None:
    source = write_beeps(tmp_path / "a.mp4")
    sink = overlay(tmp_path, audio_of(source), START, 33)
    sound = heard(sink.path)
    assert sound is not None
    assert sound.beeps_s == pytest.approx([0.36], abs=0.005)
    assert sound.end_s == pytest.approx(17 / FPS, abs=0.03)
    assert seconds(sink.path) == pytest.approx(17 / FPS, abs=0.03)


def test_sound_may_end_before_the_frames_or_begin_after_them(tmp_path: Path) -> None:
    source = write_beeps(tmp_path / "a.mp4", sound_s=0.8)
    sink = overlay(tmp_path, audio_of(source))
    sound = heard(sink.path)
    assert sound is not None
    assert (sound.end_s, sink.notes) == (pytest.approx(0.8, abs=0.03), [])
    sink = overlay(tmp_path, audio_of(source), 30)
    assert (heard(sink.path), sink.notes) == (None, [])


def test_a_pause_between_frames_is_one_of_the_sound(tmp_path: Path) -> None:
    source = write_beeps(tmp_path / "a.mkv", "pcm_s16le", 48_000)
    with VideoSink(tmp_path / "overlay.mp4", FPS, audio=audio_of(source)) as sink:
        for index in (*range(5), *range(38, FRAMES)):
            sink.write(flash(index), index / FPS)
    sound = heard(sink.path)
    assert sound is not None
    assert sound.beeps_s == pytest.approx(expected(0), abs=0.012)


def test_where_sound_is_damaged_it_is_silent_and_stays_in_step(tmp_path: Path) -> None:
    source = write_beeps(tmp_path / "a.mp4")
    damage_sound(source, 0.3)
    sink = overlay(tmp_path, audio_of(source))
    sound = heard(sink.path)
    assert sound is not None
    assert sound.codec == "aac"
    assert sound.beeps_s[-2:] == pytest.approx([1.0, 1.5], abs=0.012)
    (note,) = sink.notes
    assert note.startswith("overlay.mp4 is silent where ")


def test_a_video_without_the_sound_that_it_should_have_is_a_video(tmp_path: Path) -> None:
    damaged = write_beeps(tmp_path / "a.mp4")
    damage_sound(damaged, 1)
    silent = tmp_path / "silent.mp4"
    with VideoSink(silent, FPS) as written:
        written.write(flash(0))
    for path, words in ((damaged, "none of it can be decoded"), (silent, "holds none"), (tmp_path / "no", "No such file")):
        sink = overlay(tmp_path, Audio(str(path), 0.0))
        assert heard(sink.path) is None
        assert len(decoded(sink.path)[0]) == FRAMES
        (note,) = sink.notes
        assert note.startswith("overlay.mp4 has no sound: the source's cannot be read (")
        assert words in note
        assert str(tmp_path) not in note  # an address may hold a password
