from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from beeps import heard, write_beeps
from commands import rows_of, siam
from made_videos import seconds
from rendered import rendered_frame

from siamtrack.errors import OutputError, SourceError
from siamtrack.tracking.tracker import Tracker
from siamtrack.video.encode import EncodedFile
from siamtrack.video.outputs import Outputs
from siamtrack.video.recorder import RunSummary
from siamtrack.video.run import _plotted, run
from siamtrack.video.sink import VideoSink
from siamtrack.video.source import Frame, Source, open_source
from siamtrack.video.tracking_loop import Span

BOX = rendered_frame(0)[1]
FRAMES = 12


class Rendered(Source):
    """A source of rendered frames at any times, the last of which may not come."""

    name, fps, frame_count = "rendered", 25.0, None
    sample_aspect = Fraction(4, 3)

    def __init__(self, times: list[float], broken: bool = False) -> None:
        self._times, self._broken = times, broken

    def read(self, start: int = 0) -> Iterator[Frame]:
        for index, time_s in enumerate(self._times):
            self.counts.decoded += 1
            if index >= start:
                yield Frame(index, time_s, rendered_frame(index)[0])
        self.counts.skipped += 2
        self.notes.append("two frames were left out")
        if self._broken:
            raise SourceError("it breaks off")


def followed(tracker: Tracker, out: Path, times: list[float], broken: bool = False) -> RunSummary:
    return run(tracker, Rendered(times, broken), out, BOX, outputs=Outputs(video=True))


def test_the_overlay_has_the_sources_times_and_pixels(tracker: Tracker, tmp_path: Path) -> None:
    times = [index / 25 + (2.0 if index > 6 else 0) for index in range(FRAMES)]
    followed(tracker, tmp_path, times, broken=True)
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        assert [frame.time for frame in container.decode(video=0)] == pytest.approx(times, abs=1e-4)
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["boxes.csv", "boxes.txt", "overlay.mp4", "run.json"]


def test_the_overlay_has_the_sources_sound(tracker: Tracker, tmp_path: Path) -> None:
    path = write_beeps(tmp_path / "a.mkv", "pcm_s16le", 44_100, "mono")
    for name, span, audio, beeps in (
        ("whole", Span(), True, [0, 0.5, 1, 1.5]),
        ("part", Span(16, 32), True, [0.36]),
        ("mute", Span(), False, None),
    ):
        with open_source(path) as source:
            summary = run(tracker, source, tmp_path / name, (40, 30, 60, 50), span, Outputs(video=True, audio=audio))
        assert summary.notes == ()
        sound = heard(tmp_path / name / "overlay.mp4")
        assert (sound and sound.beeps_s) == (beeps and pytest.approx(beeps, abs=0.012))


def test_a_plot_that_cannot_be_drawn_is_told_of_and_names_the_file_once(tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text("frame\n")
    (note,) = _plotted(RunSummary(tmp_path, 1, 0, "done", {}, None)).notes
    assert note.startswith(f"there is no plot.png: {tmp_path / 'boxes.csv'}, line 1: ")
    assert note.count("boxes.csv") == 1


def test_the_overlay_lasts_as_long_as_its_source(tracker: Tracker, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with VideoSink(path, 25) as sink:
        for index in range(6):
            sink.write(rendered_frame(index)[0], 20.0 * index, 3.0)
    with open_source(path) as source:
        run(tracker, source, tmp_path, BOX, outputs=Outputs(video=True))
    assert seconds(tmp_path / "overlay.mp4") == 103


def test_a_run_tells_what_became_of_the_frames(tracker: Tracker, tmp_path: Path) -> None:
    summary = followed(tracker, tmp_path, [index / 25 for index in range(FRAMES)])
    assert summary.notes == ("two frames were left out",)
    told = json.loads((tmp_path / "run.json").read_text())
    assert [told[key] for key in ("decoded", "skipped", "duplicated", "notes")] == [FRAMES, 2, 0, list(summary.notes)]


def no_encoder(_: Path, patch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OutputError("no encoder")

    patch.setattr("siamtrack.video.encode.choose_encoder", refuse)


def full_disk(_: Path, patch: pytest.MonkeyPatch) -> None:
    added = EncodedFile.add

    def add(self: EncodedFile, image: np.ndarray, ticks: int) -> None:
        if ticks > 5 * 3600:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        added(self, image, ticks)

    patch.setattr(EncodedFile, "add", add)


def name_taken(out: Path, _: pytest.MonkeyPatch) -> None:
    (out / "overlay.partial.mp4").mkdir(parents=True)


@pytest.mark.parametrize(
    ("fault", "words"),
    [(no_encoder, "no encoder"), (full_disk, "(No space left on device)"), (name_taken, "(Is a directory)")],
)
def test_an_overlay_that_cannot_be_written_costs_no_box(
    tracker: Tracker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[Path, pytest.MonkeyPatch], None],
    words: str,
) -> None:
    (tmp_path / "overlay.mp4").write_bytes(b"of an earlier run, with other boxes")
    fault(tmp_path, monkeypatch)
    summary = followed(tracker, tmp_path, [index / 25 for index in range(FRAMES)])
    assert (summary.frames, summary.ended) == (FRAMES, "done")
    assert len(rows_of(tmp_path / "boxes.csv")) == FRAMES
    note = summary.notes[-1]
    assert note.startswith("there is no overlay: ")
    assert words in note
    assert not [path for path in tmp_path.glob("overlay*") if path.is_file()]


def test_a_disk_that_fills_costs_the_overlay_alone(clip: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    limit = 20_000
    out = tmp_path / "out"
    result = siam(
        *("track", clip, "--box", "60,80,40,50", "--out", out, "--video"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith("siamtrack: note: there is no overlay: ")
    assert result.stderr.count("\n") == 1
    assert sorted(path.name for path in out.iterdir()) == ["boxes.csv", "boxes.txt", "run.json"]
    assert len(rows_of(out / "boxes.csv")) == 20
