"""What commands share on the terminal; what a signal does to a running command is in the tests of the commands."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest
import typer

from siamtrack.cli import terminal
from siamtrack.cli.terminal import Bar, Signals, note, resumed_by_the_same_command

SIGNALLED = """
import signal, sys
from siamtrack.cli.terminal import Signals, interrupt
number = getattr(signal, sys.argv[1])
signal.signal(number, signal.default_int_handler)  # a run in the background may ignore it
before, seen = signal.getsignal(number), []
with Signals(lambda: seen.append(number)) as signals:
    assert signals.caught is None
    signal.raise_signal(number)
    assert (signals.caught, seen) == (number, [number])
assert signal.getsignal(number) is before
try:
    with Signals(interrupt) as signals:
        signal.raise_signal(number)
except KeyboardInterrupt:
    assert signals.caught == number
    assert signal.getsignal(number) is before
    print("interrupted", flush=True)
# A command that lets it through ends with its status, too.
import siamtrack.cli
def command(**_):
    with Signals(interrupt):
        signal.raise_signal(number)
siamtrack.cli._chosen = lambda words: command
try:
    siamtrack.cli.main()
except SystemExit as ended:
    print(ended.code - number)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_is_caught_and_its_handler_given_back(name: str) -> None:
    result = subprocess.run([sys.executable, "-c", SIGNALLED, name], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("interrupted\n128\n", "")


TWICE = """
import signal, sys
from siamtrack.cli.terminal import Signals
with Signals() as signals:
    signal.raise_signal(signal.SIGINT)
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        print("at once", signals.caught == signal.SIGTERM)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with Signals() as signals:
    signal.raise_signal(signal.SIGHUP)
print(signals.caught)
"""


def test_a_second_signal_does_not_wait_and_nohup_is_respected() -> None:
    result = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("at once True\nNone\n", "")


@pytest.mark.parametrize("silent", [False, True])
def test_a_command_that_can_be_resumed_says_so_when_it_is_stopped(
    silent: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Signals, "last", Signals.last)
    with pytest.raises(typer.Exit) as ended, resumed_by_the_same_command("all", silent=silent):
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.exit_code == 128 + signal.SIGTERM
    told = "siamtrack: note: stopped; all is kept, and the same command goes on\n"
    assert capsys.readouterr() == ("", "" if silent else told)


def test_a_note_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    note("two\n  lines")
    note("\x1b]0;title\x07 a\udcffb")
    assert capsys.readouterr() == ("", "siamtrack: note: two lines\nsiamtrack: note: \\x1b]0;title\\x07 a\\xffb\n")


@pytest.mark.parametrize("silent", [False, True])
def test_a_log_file_gets_lines_in_place_of_a_bar(capsys: pytest.CaptureFixture[str], silent: bool) -> None:
    with Bar("reading", 3, silent=silent) as bar:
        bar.advance("one")
        bar.line("1 of 3")
    assert not bar.shown
    assert capsys.readouterr() == ("", "" if silent else "1 of 3\n")


@pytest.mark.parametrize("silent", [False, True])
def test_a_log_file_is_told_how_far_it_is_every_ten_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    assert terminal.BEAT_S == 10
    monkeypatch.setattr(terminal, "BEAT_S", 0.02)
    said: list[str] = []
    beat = threading.Event()
    monkeypatch.setattr(Bar, "line", lambda _, text: (said.append(text), beat.set()))
    with Bar("reading", 300, silent=silent) as bar:
        bar.advance("31.2 fps", 20)
        if silent:
            time.sleep(0.1)
        else:
            beat.wait()
    assert set(said) <= ({"0:00  0/300  reading", "0:00  20/300  31.2 fps"} if not silent else set())
    assert bool(said) is not silent
