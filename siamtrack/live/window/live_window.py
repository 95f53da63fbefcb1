"""The window of `siamtrack live`: draw targets with the mouse, and watch them being followed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from siamtrack.boxes import Box
from siamtrack.errors import SourceError
from siamtrack.frames import Image
from siamtrack.live.capture import SILENT_S, Capture, Captured
from siamtrack.live.scene import rate
from siamtrack.live.session import Session
from siamtrack.live.window.controls import Controls
from siamtrack.live.window.hud import Status, draw_help, layout
from siamtrack.live.window.picture import View, draw_scene, opening_size
from siamtrack.live.window.screen import Screen, screen_size

CLOSED = "closed by the user"
"""How a session ended that the user ended."""

RECENT = 30
"""Pictures over which rate and age are taken: enough to stand still, few enough to follow."""

_WAIT_S = 0.02  # for a frame, or for the user: short enough for the box to keep up with the mouse


class LiveWindow:
    """Shows what a capture gives, and lets the user draw, choose and remove targets.

    The picture stands still while a box is drawn, and a file waits. A camera cannot: after it, its newest frame comes.
    A file begins with its first frame, which stands until a target is drawn on it or the user lets it run; its last one stays.

    Args:
        capture, session: where frames come from, and what follows targets in them. Both are the caller's to close.
        boxes: first targets, in the first frame, `(x, y, w, h)` in frame pixels.
        open_screen: opens a window of a title and a size.

    Examples:
        >>> with Capture(lambda: open_source("clip.mp4")) as capture:       # doctest: +SKIP
        ...     try:
        ...         ended = LiveWindow(capture, session).run()
        ...     finally:
        ...         session.close(ended)
    """

    def __init__(
        self,
        capture: Capture,
        session: Session,
        boxes: Sequence[Box] = (),
        *,
        open_screen: Callable[[str, tuple[int, int]], Screen] = Screen,
    ) -> None:
        self._capture, self._session, self._boxes = capture, session, boxes
        self._open_screen = open_screen
        self._meter = Meter()
        self._arrived_at = 0.0
        self._shown: tuple[Status, tuple[int, int]] | None = None
        # A camera goes on through a pause, and what it drops then says nothing of the tracker's speed.
        self._dropped_before_pause = self._dropped_in_pauses = 0

    def run(self) -> str:
        """Show frames until there are no more and the user has enough.

        Where no window can be opened, OpenCV may abort the whole process: ask `siamtrack.machine.require_display`
        before.

        Returns:
            How it ended: `done` once the last frame was there, `closed by the user`, `interrupted` by Ctrl-C, or what
            became of the source. Results up to the last frame are complete when the session is closed.

        Raises:
            OutputError: a frame's results cannot be written.
            ValueError: one of the given boxes cannot be used.
        """
        controls: Controls | None = None
        try:
            first = self._capture.take()
            if first is None:
                return "done"
            self._arrived_at = time.perf_counter()
            self._session.step(first)
            for box in self._boxes:
                self._session.add(box)
            height, width = first.image.shape[:2]
            screen = self._open_screen("siamtrack live", opening_size((width, height), screen_size()))
            try:
                waiting = not self._boxes and not self._capture.live
                controls = Controls(self._session, time.perf_counter, screen.toggle_full_screen, waiting)
                while not controls.quit:
                    self._turn(screen, controls)
            finally:
                screen.close()
        except SourceError as error:
            return str(error)
        except KeyboardInterrupt:
            return "done" if controls is not None and controls.ended else "interrupted"
        return "done" if controls.ended else CLOSED

    def _turn(self, screen: Screen, controls: Controls) -> None:
        """One round: a frame if one is there, a picture if it would differ, then what the user did."""
        frame = self._next_frame(controls)
        image = controls.scene.frame.image
        view = View.fit((image.shape[1], image.shape[0]), screen.size_wh)
        status = self._status(controls)
        if frame is not None or self._shown != (status, view.window_wh):
            screen.show(self._picture(controls, view, status))
            self._shown = status, view.window_wh
        events = screen.events(_WAIT_S if controls.held else 0.0)
        if frame is not None:
            self._meter.add(self._arrived_at, time.perf_counter())
        for event in events:
            self._shown = None
            controls.handle(event, view)
        if screen.closed:
            controls.quit = True

    def _next_frame(self, controls: Controls) -> Captured | None:
        """The next frame, with its targets found; None if the picture stands still, or no frame has come yet."""
        held = controls.held and not controls.step
        if held != self._capture.paused:
            self._hold_capture(held)
        if held:
            return None
        try:
            frame = self._capture.take(_WAIT_S)
        except TimeoutError:
            return None
        controls.step = False
        if frame is None:
            controls.ended = True
            return None
        # A file's frames wait to be taken; that is no latency.
        self._arrived_at = frame.captured_at if self._capture.live else time.perf_counter()
        scene = self._session.step(frame)
        if scene.notice:
            controls.say(scene.notice)
        return frame

    def _hold_capture(self, held: bool) -> None:
        dropped = self._capture.status.dropped
        if held:
            self._capture.pause()
            self._dropped_before_pause = dropped
        else:
            self._capture.resume()
            self._arrived_at = time.perf_counter()
            self._dropped_in_pauses += dropped - self._dropped_before_pause
        self._meter.restart(time.perf_counter())

    def _status(self, controls: Controls) -> Status:
        capture = self._capture.status
        dropped = self._dropped_before_pause if self._capture.paused else capture.dropped
        silent_s = time.perf_counter() - self._arrived_at if self._capture.live and not controls.held else 0.0
        problem = f"no picture has come for {silent_s:.0f} s" if silent_s > SILENT_S else ""
        return Status(
            fps=self._meter.fps,
            latency_ms=self._meter.latency_ms,
            dropped=dropped - self._dropped_in_pauses,
            recording_s=controls.recorded_s,
            paused=controls.paused and not controls.ended,
            problem=f"reconnecting: {capture.problem}" if capture.state == "reconnecting" else problem,
            notice=controls.notice,
            hint=controls.hint,
        )

    def _picture(self, controls: Controls, view: View, status: Status) -> Image:
        canvas = draw_scene(controls.scene, view, controls.selected, controls.trails)
        # Only while a box is expected: over a running picture a magnifier would hide what is being watched.
        pointer = controls.pointer if controls.selection.active or controls.waiting else None
        controls.selection.draw(canvas, controls.scene.frame.image, view, layout(status, view.window_wh), pointer)
        if controls.help:
            draw_help(canvas)
        return canvas


class Meter:
    """Rate and age of the pictures shown lately. Times are seconds of one clock."""

    def __init__(self) -> None:
        self._shown: deque[float] = deque(maxlen=RECENT)
        self._ages: deque[float] = deque(maxlen=RECENT)
        self._since = 0.0

    def add(self, captured_at: float, shown_at: float) -> None:
        """Count a picture."""
        self._shown.append(shown_at)
        # A frame that lay waiting through a pause is old by the user's wish.
        if captured_at >= self._since:
            self._ages.append(shown_at - captured_at)

    def restart(self, now: float) -> None:
        """Forget what was: it was interrupted, so it says nothing of what comes."""
        self._shown.clear()
        self._ages.clear()
        self._since = now

    @property
    def fps(self) -> float:
        """Pictures per second; 0 while it is unknown."""
        return rate(self._shown)

    @property
    def latency_ms(self) -> float | None:
        """Mean age; None while it is unknown."""
        return 1000 * sum(self._ages) / len(self._ages) if self._ages else None
