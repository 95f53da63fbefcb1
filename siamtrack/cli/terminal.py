"""What commands share on the terminal: lines on stderr, a progress bar, and what signals mean."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, ClassVar, TypeVar

import typer

from siamtrack.errors import one_line

B = TypeVar("B", bound="Bar")

MOST = 2000
"""Characters of a line on stderr."""

BEAT_S = 10.0
"""Seconds between two lines of progress in a log file."""


def note(text: str, kind: str = "note") -> None:
    """One line on stderr, whatever the text holds; addresses without their passwords, as in what a user typed."""
    from siamtrack.video.names import without_secrets

    typer.echo(f"siamtrack: {kind}: {one_line(without_secrets(text), MOST)}", err=True)


def counted(number: int, one: str, many: str = "") -> str:
    """`1 frame`, `2 frames`."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


class Bar:
    """A progress bar on stderr, if that is a terminal; a log file gets a line every ten seconds, and what `line` is given.

    Args:
        text: before the bar. total: of its steps; None if unknown.
        transient: take it away at the end.
        silent: show neither.

    Attributes:
        shown: whether the bar is shown.
        rows: rich's progress bars; the first is `row`.
    """

    def __init__(self, text: str = "", total: float | None = None, *, transient: bool = False, silent: bool = False) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self.shown = console.is_terminal and not silent
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        times = (TimeElapsedColumn(), TimeRemainingColumn())
        self.rows = Progress(*columns, *times, console=console, transient=transient, disable=not self.shown)
        self.row = self.rows.add_task(text, total=total)
        self._silent = silent
        self._began, self._over = time.monotonic(), threading.Event()

    def advance(self, text: str, steps: int = 1) -> None:
        """Go on by some steps."""
        self.rows.update(self.row, description=text, advance=steps)

    def line(self, text: str) -> None:
        """Write a line, if there is no bar."""
        if not self.shown and not self._silent:
            typer.echo(text, err=True)

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            row = next(task for task in self.rows.tasks if task.id == self.row)
            minutes, seconds = divmod(round(time.monotonic() - self._began), 60)
            of = f"/{row.total:.0f}" if row.total else ""
            self.line(f"{minutes}:{seconds:02}  {row.completed:.0f}{of}  {row.description}")

    def __enter__(self: B) -> B:
        self.rows.start()
        if not self.shown and not self._silent:
            threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.rows.stop()


class Signals:
    """SIGINT, SIGTERM and SIGHUP end a command with its results written, instead of the process without them.

    A second one does not wait for that. A SIGHUP that is ignored stays ignored: `nohup` wants it so.

    Args:
        act: called when one comes, in the main thread.

    Attributes:
        caught: the signal's number, once there was one.
        last: that of the last signal in this process; SIGINT's before there was any.
    """

    last: ClassVar[int] = signal.SIGINT

    def __init__(self, act: Callable[[], object] = lambda: None) -> None:
        self.caught: int | None = None
        self._act = act

    def _catch(self, number: int, _: FrameType | None) -> None:
        first, self.caught = self.caught is None, number
        Signals.last = number
        if not first:
            raise KeyboardInterrupt
        self._act()

    def __enter__(self) -> Signals:
        numbers = [signal.SIGINT, signal.SIGTERM]
        hangup = getattr(signal, "SIGHUP", None)  # Windows has none
        if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
            numbers.append(hangup)
        self._before: dict[int, Callable[..., Any] | int | None] = {
            number: signal.signal(number, self._catch) for number in numbers
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def interrupt() -> None:
    """For `Signals` around a loop that does not ask whether to go on."""
    raise KeyboardInterrupt


@contextmanager
def resumed_by_the_same_command(kept: str, *, silent: bool = False) -> Iterator[None]:
    """A signal ends what is done inside, and with it the command; a line says what is kept."""
    with Signals(interrupt):
        try:
            yield
        except KeyboardInterrupt:
            if not silent:
                note(f"stopped; {kept} is kept, and the same command goes on")
            # Typer makes 130 of a KeyboardInterrupt, whichever signal it was.
            raise typer.Exit(128 + Signals.last) from None
