"""The keys of the window: one table, from which the help on the picture and the documentation are made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Action(Enum):
    """What a key asks for."""

    DRAW = auto()
    REDRAW = auto()
    PICK = auto()
    NEXT = auto()
    REMOVE = auto()
    PAUSE = auto()
    STEP = auto()
    RECORD = auto()
    SCREENSHOT = auto()
    TRAILS = auto()
    FULL_SCREEN = auto()
    HELP = auto()
    TAKE = auto()
    GIVE_UP = auto()
    QUIT = auto()


@dataclass(frozen=True)
class Key:
    """One row of the table.

    Attributes:
        names: of the keys, for people.
        action: what they ask for.
        help: what that does, in a few words.
        codes: what the window's backends report for them; capital letters are made small first.
    """

    names: str
    action: Action
    help: str
    codes: frozenset[int]


def _codes(characters: str = "", *more: int) -> frozenset[int]:
    return frozenset((*map(ord, characters), *more))


# Keys that are no characters have other codes on every system: X11's key symbols, then macOS, then Windows.
_DELETE = (0xFFFF, 0xF728, 0x2E0000, 8, 127)
_F1 = (0xFFBE, 0xF704, 0x700000)
_ENTER = (10, 13, 0xFF8D)

KEYS = (
    Key("s", Action.DRAW, "freeze the picture to draw a box; again: run on", _codes("s")),
    Key("r", Action.REDRAW, "draw the selected target's box anew", _codes("r")),
    Key("1 ... 9", Action.PICK, "select the target of that number", _codes("123456789")),
    Key("Tab", Action.NEXT, "select the next target", _codes("\t")),
    Key("x, Delete", Action.REMOVE, "stop following the selected target", _codes("x", *_DELETE)),
    Key("Space, p", Action.PAUSE, "pause; run on", _codes(" p")),
    Key("n, .", Action.STEP, "pause, and show the next frame", _codes("n.")),
    Key("v", Action.RECORD, "record a video; again: finish it", _codes("v")),
    Key("c", Action.SCREENSHOT, "write a screenshot", _codes("c")),
    Key("t", Action.TRAILS, "trails on or off", _codes("t")),
    Key("f", Action.FULL_SCREEN, "full screen on or off", _codes("f")),
    Key("h, ?, F1", Action.HELP, "this list", _codes("h?", *_F1)),
    Key("Enter", Action.TAKE, "take the box as it is drawn now", _codes("", *_ENTER)),
    Key("Esc", Action.GIVE_UP, "give up drawing, close this list, leave full screen, or else quit", _codes("\x1b")),
    Key("q", Action.QUIT, "quit; so does closing the window", _codes("q")),
)

MOUSE = (
    ("drag", "draw a box over a target, in any direction; the picture freezes meanwhile"),
    ("click", "select the target whose box it is in"),
)
"""What the mouse does, in the form of `help_rows`."""

_BY_CODE = {code: key.action for key in KEYS for code in key.codes}
_KEYPAD_1 = 0xFFB1


def plain(code: int) -> int:
    """A key code without modifiers, with small letters, and the keypad's digits as digits."""
    # GTK puts Shift and Num Lock above the lower 16 bits. On Windows keys that are no characters live up there.
    code = code & 0xFFFF or code
    if ord("A") <= code <= ord("Z"):
        return code + 32
    if _KEYPAD_1 <= code < _KEYPAD_1 + 9:
        return code - _KEYPAD_1 + ord("1")
    return code


def action_of(code: int) -> Action | None:
    """What a key code asks for; None for keys that do nothing, such as Shift alone."""
    return _BY_CODE.get(plain(code))


def digit_of(code: int) -> int:
    """The number on a key that asks for `Action.PICK`."""
    return plain(code) - ord("0")


def help_rows() -> list[tuple[str, str]]:
    """Every row of the help: what to press, and what it does."""
    return [*MOUSE, *((key.names, key.help) for key in KEYS)]
