from __future__ import annotations

import platform
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import wait_until
from rendered import rendered_frame

from siamtrack.errors import SourceError
from siamtrack.live.capture import Capture, Captured, _Pace
from siamtrack.machine import give_memory_back, resident_mb
from siamtrack.video.source import Frame, Source, open_source
from siamtrack.video.stream import StreamSource

LONG_S = 10.0
"""More than anything here takes on a busy machine."""

IMAGES = [rendered_frame(i)[0] for i in range(10)]


class Camera(Source):
    """A live source: rendered frames by the clock, until it is unplugged."""

    live = True

    def __init__(self, frames: int | None = None, fps: float = 30.0, fails: Exception | None = None) -> None:
        self.name, self.fps, self.frame_count = "camera 0", fps, None
        self.unplugged = threading.Event()
        self.closed = threading.Event()
        self._frames, self._fails = frames, fails

    def read(self, start: int = 0) -> Iterator[Frame]:
        began = time.perf_counter()
        for index in count(start) if self._frames is None else range(start, self._frames):
            if self.unplugged.wait(max(0.0, began + index / self.fps - time.perf_counter())):
                return
            yield Frame(index, index / self.fps, IMAGES[index % len(IMAGES)])
        if self._fails is not None:
            raise self._fails

    def close(self) -> None:
        self.closed.set()


class Recording(Camera):
    """The same as a file: it waits for who reads it."""

    live = False

    def read(self, start: int = 0) -> Iterator[Frame]:
        for index in range(start, self._frames or 0):
            yield Frame(index, index / self.fps, IMAGES[index % len(IMAGES)])
        if self._fails is not None:
            raise self._fails


class Stuck(Camera):
    """A camera whose driver does not come back from a read until it is released by the test."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def read(self, start: int = 0) -> Iterator[Frame]:
        self.release.wait(LONG_S)
        yield Frame(0, 0.0, IMAGES[0])


class Shelf:
    """Opens one source after the other, an error in the row is raised; notes when."""

    def __init__(self, *row: Source | Exception) -> None:
        self.row = list(row)
        self.opened_at: list[float] = []

    def __call__(self) -> Source:
        self.opened_at.append(time.perf_counter())
        item = self.row.pop(0) if len(self.row) > 1 else self.row[0]
        if isinstance(item, Exception):
            raise item
        return item


def take_until_quiet(capture: Capture) -> list[Captured]:
    """Frames until none comes any more."""
    taken = []
    try:
        while captured := capture.take(0.1):
            taken.append(captured)
    except TimeoutError:
        pass
    return taken


def ends_by_closing(capture: Capture) -> bool:
    """Close it; whether its thread has ended when that returns."""
    capture.close()
    return not capture._thread.is_alive()


# Cameras and streams.


def test_a_slow_consumer_gets_new_frames_and_the_others_are_counted() -> None:
    camera = Camera(fps=200)
    with Capture(lambda: camera) as capture:
        assert (capture.name, capture.fps, capture.live) == ("camera 0", 200, True)
        taken = []
        for _ in range(6):
            captured = capture.take(LONG_S)
            assert captured is not None
            taken.append(captured)
            time.sleep(0.05)
    status = capture.status
    assert status.state == "ended"
    assert status.problem is None
    assert taken[-1].index > 6
    assert status.dropped > 6
    # Every frame was taken, replaced, or is the one left; but for one that may have come while it was being closed.
    assert 0 <= status.frames - len(taken) - status.dropped - (capture.take(0) is not None) <= 1
    assert camera.closed.is_set()
    for before, after in pairwise(taken):
        assert after.index > before.index
        assert after.time_s - before.time_s == pytest.approx(after.captured_at - before.captured_at)
        assert (after.image == IMAGES[after.index % len(IMAGES)]).all()


def test_captured_at_is_the_clock_that_was_given() -> None:
    ticks = count(1000)
    with Capture(lambda: Camera(3, fps=200), clock=lambda: float(next(ticks))) as capture:
        first = capture.take(LONG_S)
    assert first is not None
    assert first.captured_at == 1000 + first.index
    assert first.time_s == first.index


def test_a_camera_goes_on_while_paused() -> None:
    with Capture(lambda: Camera(fps=200)) as capture:
        first = capture.take(LONG_S)
        capture.pause()
        assert capture.paused
        wait_until(lambda: capture.status.frames > 20)
        capture.resume()
        late = capture.take(LONG_S)
    assert first is not None
    assert late is not None
    assert late.index > first.index + 10
    assert capture.status.dropped > 10


def test_a_camera_that_was_unplugged_comes_back() -> None:
    first, second = Camera(fps=200), Camera(fps=200)
    shelf = Shelf(first, SourceError("camera 0 cannot\nbe opened"), OSError("no such device"), second)
    states = []
    with Capture(shelf, first_delay_s=0.02) as capture:
        before = capture.take(LONG_S)
        first.unplugged.set()
        wait_until(lambda: capture.status.state != "running")
        wait_until(lambda: states.append(capture.status) or capture.status.state == "running")
        after = [captured for captured in islice(capture, 3) if captured.index >= 1]
        assert first.closed.is_set()
        status = capture.status
    assert status.reconnects == 1
    assert status.problem in ("camera 0 cannot be opened", "no such device")
    assert {state.state for state in states} <= {"reconnecting", "running"}
    assert before is not None
    numbers = [before, *after]
    for a, b in pairwise(numbers):
        assert b.index > a.index
        assert b.time_s > a.time_s
    # Time went on while it was away, though the second camera counts from 0 again.
    assert after[-1].time_s - before.time_s == pytest.approx(after[-1].captured_at - before.captured_at)
    assert second.closed.is_set()


@pytest.mark.parametrize(
    ("row", "pauses_s", "frames", "reconnects"),
    [
        ([Camera(1), SourceError("still away")], [0.5, 1, 2, 4, 8, 8, 8], 1, 0),
        ([Camera(1), SourceError("away"), OSError("away"), Camera(2), SourceError("away")], [0.5, 1, 2, 0.5, 1], 3, 1),
        # To open it without a frame is no success.
        ([Camera(2), Camera(0)], [0.5, 1, 2, 4], 2, 0),
    ],
)
def test_pauses_between_attempts_grow_up_to_the_longest_and_a_frame_makes_them_short_again(
    row: list[Source | Exception], pauses_s: list[float], frames: int, reconnects: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused_s: list[float] = []

    def pause(_: Capture, seconds: float) -> bool:
        paused_s.append(seconds)
        return len(paused_s) < len(pauses_s)

    monkeypatch.setattr(Capture, "_sleep", pause)
    shelf = Shelf(*row)
    with Capture(shelf) as capture:
        list(capture)
        assert (capture.status.frames, capture.status.reconnects) == (frames, reconnects)
    assert paused_s == pauses_s
    assert len(shelf.opened_at) == len(pauses_s)


def test_what_never_worked_fails_at_once() -> None:
    with pytest.raises(SourceError, match="not there"):
        Capture(Shelf(SourceError("not there")))
    shelf = Shelf(Camera(0, fails=SourceError("camera 0 gives no frame")))
    with Capture(shelf) as capture, pytest.raises(SourceError, match="gives no frame"):
        capture.take(LONG_S)
    assert len(shelf.opened_at) == 1
    assert capture.status.state == "failed"


def test_a_fault_of_the_program_is_not_taken_for_a_lost_camera() -> None:
    shelf = Shelf(Camera(1, fails=ZeroDivisionError("a bug")))
    with Capture(shelf) as capture:
        with pytest.raises(ZeroDivisionError, match="a bug"):
            list(capture)
        assert capture.status.state == "failed"
        assert capture.status.problem == "a bug"
    assert len(shelf.opened_at) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"first_delay_s": 0.0}, "give 0 < first_delay_s"), ({"longest_delay_s": 0.1}, "delays are 0.5 s to 0.1 s")],
)
def test_arguments_that_make_no_sense(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Capture(Camera, **arguments)


# Files.


def test_a_file_loses_no_frame_to_a_slow_consumer() -> None:
    taken = []
    with Capture(lambda: Recording(40, fps=1000)) as capture:
        for captured in capture:
            taken.append(captured)
            time.sleep(0.003)
        assert capture.take() is None
        assert capture.status.state == "ended"
    assert [captured.index for captured in taken] == list(range(40))
    assert [captured.time_s for captured in taken] == pytest.approx([i / 1000 for i in range(40)])
    assert capture.status.dropped == 0
    assert capture.status.frames == 40


def test_a_file_is_paced_by_its_own_times(clip: Path) -> None:
    with Capture(lambda: open_source(clip)) as capture:
        assert not capture.live
        taken = list(capture)
    assert [captured.index for captured in taken] == list(range(20))
    # 20 frames at 25 a second; the first is due at once. Later than due happens, earlier never.
    assert all(c.captured_at - taken[0].captured_at >= c.time_s - 0.002 for c in taken)


def test_little_lateness_is_made_up_and_much_is_forgiven() -> None:
    pace = _Pace()
    assert pace.wait_s(0.0, 100.0) == 0  # the first is due at once
    assert pace.wait_s(0.04, 100.01) == pytest.approx(0.03)
    assert pace.wait_s(0.08, 100.13) == pytest.approx(-0.05)
    assert pace.wait_s(0.12, 100.13) == pytest.approx(-0.01)
    assert pace.wait_s(0.16, 100.5) == 0  # no burst follows
    assert pace.wait_s(0.2, 100.5) == pytest.approx(0.04)


def test_a_file_waits_while_paused_and_loses_nothing() -> None:
    with Capture(lambda: Recording(30, fps=500)) as capture:
        head = list(islice(capture, 5))
        capture.pause()
        waiting = take_until_quiet(capture)
        assert len(waiting) <= 2
        assert capture.status.state == "running"
        capture.resume()
        assert not capture.paused
        tail = list(capture)
    assert [captured.index for captured in head + waiting + tail] == list(range(30))


def test_a_file_that_breaks_off_gives_its_frames_and_then_the_error(tmp_path: Path) -> None:
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), IMAGES[i])
    (tmp_path / "3.png").write_bytes(b"broken")
    with Capture(lambda: open_source(tmp_path)) as capture:
        assert [captured.index for captured in islice(capture, 3)] == [0, 1, 2]
        with pytest.raises(SourceError, match=r"3\.png cannot be read"):
            capture.take(LONG_S)
    assert capture.status.state == "failed"
    assert capture.status.problem is not None
    assert "3.png cannot be read" in capture.status.problem


def test_a_file_that_is_not_there_fails_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not found"):
        Capture(lambda: open_source(tmp_path / "none.mp4"))


# Closing, in whatever state it is.


def test_close_while_a_file_waits_for_its_consumer() -> None:
    source = Recording(5, fps=1000)
    capture = Capture(lambda: source)
    wait_until(lambda: capture.status.frames == 2)
    assert ends_by_closing(capture)
    assert source.closed.is_set()
    left = capture.take()
    assert left is not None
    assert left.index == 0
    assert capture.take() is None
    assert capture.status.state == "ended"
    capture.close()


def test_close_while_a_file_waits_for_its_time() -> None:
    capture = Capture(lambda: Recording(5, fps=0.01))
    assert next(iter(capture)).index == 0
    assert ends_by_closing(capture)


def test_close_while_a_file_is_paused() -> None:
    capture = Capture(lambda: Recording(50, fps=1000))
    capture.pause()
    take_until_quiet(capture)
    assert ends_by_closing(capture)


def test_close_while_a_camera_runs_and_nobody_takes() -> None:
    camera = Camera(fps=200)
    capture = Capture(lambda: camera)
    wait_until(lambda: capture.status.frames > 3)
    assert ends_by_closing(capture)
    assert camera.closed.is_set()


def test_close_while_it_waits_to_reconnect() -> None:
    capture = Capture(Shelf(Camera(1), SourceError("away")), first_delay_s=LONG_S, longest_delay_s=LONG_S)
    wait_until(lambda: capture.status.state == "reconnecting")
    assert ends_by_closing(capture)
    assert capture.status.state == "ended"


def test_close_while_somebody_waits_to_take() -> None:
    stuck = Stuck()
    capture = Capture(lambda: stuck)
    ends: list[Captured | None] = []
    consumer = threading.Thread(target=lambda: ends.append(capture.take()), daemon=True)
    consumer.start()
    assert not ends_by_closing(capture)
    consumer.join(LONG_S)
    assert ends == [None]
    # The driver comes back: now the thread ends, and lets go of the source.
    stuck.release.set()
    capture._thread.join(LONG_S)
    assert not capture._thread.is_alive()
    assert stuck.closed.is_set()
    assert capture.take() is None
    assert capture.status.state == "ended"


def test_close_while_it_is_being_opened_again() -> None:
    opening, go_on = threading.Event(), threading.Event()
    late = Camera()

    def reopen() -> Source:
        if not opening.is_set() and not first:
            first.append(Camera(1))
            return first[0]
        opening.set()
        go_on.wait(LONG_S)
        return late

    first: list[Source] = []
    capture = Capture(reopen, first_delay_s=0.001)
    assert opening.wait(LONG_S)
    assert not ends_by_closing(capture)
    go_on.set()
    capture._thread.join(LONG_S)
    assert late.closed.is_set()
    assert capture.status.frames == 1


# A real stream.


class Handler(BaseHTTPRequestHandler):
    """JPEG after JPEG, as network cameras send them."""

    server: StreamServer

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for image in islice(IMAGES * 30, 300):
            if self.server.killed.wait(LONG_S if self.server.silent.is_set() else 1 / 30):
                break
            jpeg = cv2.imencode(".jpg", image)[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + jpeg + b"\r\n")
            except OSError:  # nobody reads any more
                break

    def log_message(self, *_: object) -> None:
        pass


class StreamServer(ThreadingHTTPServer):
    """A network camera on this machine, for ten seconds at most."""

    def __init__(self, port: int = 0) -> None:
        self.killed, self.silent = threading.Event(), threading.Event()
        super().__init__(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def kill(self) -> None:
        self.killed.set()
        self.shutdown()
        self.server_close()
        self._thread.join(LONG_S)


def test_a_stream_is_reconnected_when_its_server_comes_back() -> None:
    server = StreamServer()
    url = f"http://127.0.0.1:{server.server_port}/camera.mjpg"
    with Capture(lambda: open_source(url), first_delay_s=0.05, longest_delay_s=0.1) as capture:
        assert capture.live
        before = list(islice(capture, 5))
        server.kill()
        wait_until(lambda: capture.status.state == "reconnecting" and "cannot be opened" in (capture.status.problem or ""))
        server = StreamServer(server.server_port)
        try:
            wait_until(lambda: capture.status.state == "running")
            after = list(islice(capture, 5))
        finally:
            server.kill()
    assert capture.status.reconnects == 1
    taken = before + after
    assert all(b.index > a.index and b.time_s > a.time_s for a, b in pairwise(taken))
    # It is the picture that was sent, but for JPEG.
    difference = min(float(np.abs(after[-1].image.astype(int) - image).mean()) for image in IMAGES)
    assert difference < 4


def test_a_stream_that_falls_silent_counts_as_gone() -> None:
    server = StreamServer()
    url = f"http://127.0.0.1:{server.server_port}/camera.mjpg"
    try:
        with Capture(lambda: StreamSource(url, timeout_s=0.3), first_delay_s=LONG_S, longest_delay_s=LONG_S) as capture:
            assert capture.take(LONG_S) is not None
            server.silent.set()
            wait_until(lambda: capture.status.state == "reconnecting")
    finally:
        server.kill()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries give memory back by themselves, or not at all")
def test_memory_that_is_free_again_is_the_system_s() -> None:
    frames = [np.ones(100_000, np.uint8) for _ in range(1000)]
    last = frames[-1]
    del frames
    before = resident_mb()
    give_memory_back()
    assert last.all()
    assert before - resident_mb() > 50
