from __future__ import annotations

from pathlib import Path

import pytest

from siamtrack.live.window.keys import KEYS, Action, action_of, digit_of, help_rows


def test_no_code_asks_for_two_things_and_every_action_has_a_row() -> None:
    codes = [code for key in KEYS for code in key.codes]
    assert len(codes) == len(set(codes))
    assert {key.action for key in KEYS} == set(Action)


@pytest.mark.parametrize(
    ("code", "action"),
    [
        (ord("q"), Action.QUIT),
        (ord("Q"), Action.QUIT),
        (0x10000 | ord("Q"), Action.QUIT),  # GTK, Shift held
        (0x100000 | ord("q"), Action.QUIT),  # GTK, Num Lock on
        (27, Action.GIVE_UP),
        (13, Action.TAKE),
        (10, Action.TAKE),  # GTK
        (0xFF8D, Action.TAKE),  # the keypad's
        (0xFFFF, Action.REMOVE),  # Delete on X11
        (0x10FFFF, Action.REMOVE),  # GTK, Num Lock on
        (0x2E0000, Action.REMOVE),  # Delete on Windows
        (8, Action.REMOVE),
        (0xFFBE, Action.HELP),  # F1 on X11
        (ord("?"), Action.HELP),
        (ord("5"), Action.PICK),
        (0xFFB5, Action.PICK),  # the keypad's
        (0xFFE1, None),  # Shift alone
        (0xFF52, None),
        (ord("0"), None),
    ],
)
def test_codes_of_all_systems_are_read(code: int, action: Action | None) -> None:
    assert action_of(code) is action


def test_digits() -> None:
    assert [digit_of(code) for code in (ord("1"), ord("9"), 0xFFB1, 0xFFB9)] == [1, 9, 1, 9]


def test_help_is_plain_ascii_for_every_opencv_can_write_that() -> None:
    assert all((keys + text).isascii() for keys, text in help_rows())


def test_the_documentation_has_the_same_table() -> None:
    page = (Path(__file__).parents[3] / "docs" / "live.md").read_text(encoding="utf-8")
    table = page[page.index("| key | what it does |") :].split("\n\n")[0]
    rows = [tuple(line.strip("| ").split(" | ")) for line in table.splitlines()]
    assert rows == [("key", "what it does"), ("---", "---"), *help_rows()]
