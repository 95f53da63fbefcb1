"""The sound that belongs to a video's frames, brought into an MP4: as it is where browsers play that, else as AAC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.audio import AudioStream
from av.audio.resampler import AudioResampler
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Discard

from siamtrack.errors import SourceError
from siamtrack.video.frame_source import Audio

COPIED = ("aac", "mp3", "mp3float", "opus", "libopus", "flac")
"""FFmpeg's names of what both an MP4 may hold and browsers play in one."""

_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_GAP_S = 0.05
"""Time stamps are followed where they differ by more from a count of the samples; containers round them to milliseconds."""


class Sound:
    """A part of a file's sound.

    Args:
        audio: the file. begin_s, end_s: the part, seconds of the file's own clock.
        copy: take packets as they are; else they are decoded, and encoded as AAC.

    Attributes:
        gaps: packets that could not be decoded, and are silence.
    """

    def __init__(self, audio: Audio, begin_s: float, end_s: float, copy: bool) -> None:
        self.gaps = 0
        self._path, self._begin_s, self._end_s, self._copy = audio.path, begin_s, end_s, copy

    def packets(self, out: OutputContainer) -> Iterator[tuple[float, Packet[AudioStream]]]:
        """Packets for `out`, each with its time from the beginning of the part, seconds.

        With the first packet, `out` gets a stream; where no sound is between the two times, there is neither.

        Raises:
            SourceError: there is no sound in the file, or none that can be copied or decoded.
            av.FFmpegError, ValueError, OSError: it cannot be read.
        """
        with _opened(self._path) as stream:
            yield from self._copied(stream, out) if self._copy else self._encoded(stream, out)

    def _copied(self, stream: AudioStream, out: OutputContainer) -> Iterator[tuple[float, Packet[AudioStream]]]:
        if stream.codec_context.name not in COPIED:
            raise SourceError(f"{stream.codec_context.name} is nothing that browsers play")
        target: AudioStream | None = None
        origin = round(self._begin_s / _time_base(stream))
        for packet, at_s in self._between(stream):
            packet.decode()  # a browser stops where it cannot decode; then it is encoded anew
            if target is None:
                target = out.add_stream_from_template(stream)
            stamp = packet.pts if packet.pts is not None else packet.dts
            packet.pts = packet.dts = round(at_s / _time_base(stream)) - origin if stamp is None else stamp - origin
            packet.stream = target
            yield at_s - self._begin_s, packet

    def _encoded(self, stream: AudioStream, out: OutputContainer) -> Iterator[tuple[float, Packet[AudioStream]]]:
        given = stream.codec_context.sample_rate
        rate = given if given in _AAC_RATES else 48_000
        layout = "mono" if stream.codec_context.layout.nb_channels == 1 else "stereo"
        target: AudioStream | None = None
        written = 0
        for samples in self._samples(stream, rate, layout):
            if target is None:
                target = out.add_stream("aac", rate=rate, layout=layout, bit_rate=96_000 if layout == "mono" else 160_000)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, written, Fraction(1, rate)
            written += samples.shape[1]
            for packet in target.encode(frame):
                yield _seconds(packet), packet
        for packet in target.encode(None) if target is not None else ():
            yield _seconds(packet), packet

    def _samples(self, stream: AudioStream, rate: int, layout: str) -> Iterator[np.ndarray]:
        """All samples of the part, (channels, N) float32, without a gap: what is missing is silent."""
        channels = 1 if layout == "mono" else 2
        total = round((self._end_s - self._begin_s) * rate)
        written, decoded = 0, 0
        setup: tuple[object, ...] = ()
        for packet, at_s in self._between(stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self.gaps += 1
                continue
            for frame in frames:
                decoded += 1
                if setup != (setup := (frame.format.name, frame.layout.name, frame.sample_rate)):
                    resampler = AudioResampler("fltp", layout, rate)
                begin = round(((at_s if frame.time is None else frame.time) - self._begin_s) * rate)
                frame.pts = None  # the resampler would cut and fill by it, too
                heard = [one.to_ndarray() for one in resampler.resample(frame)]
                samples = np.concatenate(heard, axis=1) if heard else np.zeros((channels, 0), np.float32)
                if abs(begin - written) > (_GAP_S * rate if written else 0):
                    while written < min(begin, total):
                        missing = min(begin, total, written + rate) - written
                        yield np.zeros((channels, missing), np.float32)
                        written += missing
                    samples = samples[:, written - begin :]
                samples = samples[:, : total - written]
                if samples.shape[1]:
                    yield np.ascontiguousarray(samples)
                    written += samples.shape[1]
        if self.gaps and not decoded:
            raise SourceError("none of it can be decoded")

    def _between(self, stream: AudioStream) -> Iterator[tuple[Packet[AudioStream], float]]:
        """Packets of the part, each with its time in the file, seconds.

        The first ones are those in which it begins and one before, which decoders of overlapping blocks start with; an MP4
        says from where on it is heard.
        """
        # Read from the beginning: without an index nobody knows where seeking ends, and reading costs little.
        next_s = 0.0
        for packet in stream.container.demux(stream):  # type: ignore[attr-defined]
            if not packet.size:
                continue
            stamp = packet.pts if packet.pts is not None else packet.dts
            at_s = next_s if stamp is None else float(stamp * _time_base(stream))
            length_s = float((packet.duration or 0) * _time_base(stream))
            next_s = at_s + length_s
            if at_s >= self._end_s:
                return
            if at_s >= self._begin_s or next_s + length_s > self._begin_s:
                yield packet, at_s


@contextmanager
def _opened(path: str) -> Iterator[AudioStream]:
    timeout_s = 10 if "://" in path else None
    with av.open(path, timeout=timeout_s, metadata_errors="replace") as container:
        stream = cast("AudioStream | None", container.streams.best("audio"))
        if stream is None:
            raise SourceError("the file holds none")
        for other in container.streams:
            if other is not stream:
                with suppress(AttributeError):
                    other.discard = Discard.all
        yield stream


def _time_base(stream: AudioStream) -> Fraction:
    assert stream.time_base is not None
    return stream.time_base


def _seconds(packet: Packet[AudioStream]) -> float:
    return float((packet.pts or 0) * packet.time_base)
