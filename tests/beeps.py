"""Videos with sound: every half second the picture flashes white for a tenth of a second, and a tone beeps."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

FPS = 25
WH = (160, 120)
PERIOD_S, LENGTH_S = 0.5, 0.1


def flash(index: int) -> np.ndarray:
    """Frame `index`."""
    return np.full((WH[1], WH[0], 3), 255 if index / FPS % PERIOD_S < LENGTH_S else 0, np.uint8)


def write_beeps(
    path: Path,
    codec: str = "aac",
    rate: int = 44_100,
    layout: str = "stereo",
    frames: int = 50,
    origin_s: float = 0.0,
    sound_s: float | None = None,
    video: str = "libx264",
) -> Path:
    """Write a video; its first frame's time stamp is `origin_s`; its sound lasts for `sound_s`, or as long as it."""
    total = round((frames / FPS if sound_s is None else sound_s) * rate)
    seconds = np.arange(total) / rate
    tone = (0.5 * np.sin(2 * np.pi * 1000 * seconds) * (seconds % PERIOD_S < LENGTH_S)).astype(np.float32)
    with av.open(str(path), "w") as container:
        pictures = container.add_stream(video, rate=FPS, width=WH[0], height=WH[1], pix_fmt="yuv420p")
        pictures.codec_context.max_b_frames = 0
        sound = container.add_stream(codec, rate=rate, layout=layout, options={"strict": "experimental"})
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(flash(index), format="bgr24")
            frame.pts, frame.time_base = index + round(origin_s * FPS), Fraction(1, FPS)
            container.mux(pictures.encode(frame))
            first, last = (round(i / FPS * rate) for i in (index, index + 1))
            if last <= total:
                samples = np.tile(tone[first:last], (sound.codec_context.channels, 1))
                heard = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
                heard.sample_rate, heard.pts, heard.time_base = rate, first + round(origin_s * rate), Fraction(1, rate)
                container.mux(sound.encode(heard))
        container.mux(pictures.encode(None))
        container.mux(sound.encode(None))
    return path


class Heard(NamedTuple):
    """What can be heard of a file.

    Attributes:
        codec, rate, channels: of its sound.
        beeps_s: when tones begin. end_s: when the sound ends.
    """

    codec: str
    rate: int
    channels: int
    beeps_s: list[float]
    end_s: float


def heard(path: Path) -> Heard | None:
    """What can be heard of a file; None if it has no sound."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        frames = list(container.decode(stream))
        name, rate, channels = stream.codec_context.name, stream.codec_context.sample_rate, stream.codec_context.channels
    begin_s = frames[0].time
    pieces = [frame.to_ndarray().astype(float) for frame in frames]
    planar = frames[0].format.is_planar
    signal = np.abs(np.concatenate([p[0] if planar else p.reshape(-1, channels)[:, 0] for p in pieces]))
    loud = signal > 0.3 * signal.max()
    quiet_before = np.array([not loud[max(0, i - rate // 5) : i].any() for i in np.flatnonzero(loud)])
    beeps_s = [begin_s + i / rate for i in np.flatnonzero(loud)[quiet_before]]
    return Heard(name, rate, channels, beeps_s, begin_s + len(signal) / rate)


def damage_sound(path: Path, share: float) -> None:
    """Overwrite some packets of a file's sound."""
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]
    data = bytearray(path.read_bytes())
    for pos, size in packets[10 : 10 + round(share * len(packets))] if share < 1 else packets:
        data[pos : pos + size] = b"\xff" * size
    path.write_bytes(data)
