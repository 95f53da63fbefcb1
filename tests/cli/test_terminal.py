"""What commands share on the terminal; what a signal does to a running command is in the tests of the commands."""

from __future__ import annotations

import signal

import pytest

from siamtrack.cli.terminal import Bar, Signals, interrupt, note


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_caught_once_and_its_handler_given_back(number: signal.Signals) -> None:
    before, seen = signal.getsignal(number), []
    with Signals(lambda: seen.append(number)) as signals:
        assert signals.caught is None
        signal.raise_signal(number)
        assert (signals.caught, seen) == (number, [number])
    assert signal.getsignal(number) is before
    with pytest.raises(KeyboardInterrupt), Signals(interrupt) as signals:
        signal.raise_signal(number)
    assert signals.caught == number
    assert signal.getsignal(number) is before


def test_a_note_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    note("two\n  lines")
    assert capsys.readouterr() == ("", "siamtrack: note: two lines\n")


@pytest.mark.parametrize("silent", [False, True])
def test_a_log_file_gets_lines_in_place_of_a_bar(capsys: pytest.CaptureFixture[str], silent: bool) -> None:
    with Bar("reading", 3, silent=silent) as bar:
        bar.advance("one")
        bar.line("1 of 3")
    assert not bar.shown
    assert capsys.readouterr() == ("", "" if silent else "1 of 3\n")
