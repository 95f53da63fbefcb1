"""Which characters `render_glyphs.py` draws: scripts whose letters can be told apart, alone and at one size."""

from __future__ import annotations

from collections.abc import Callable


def code(character: str) -> str:
    """The name of a character's folder, such as U+0041."""
    return f"U+{ord(character):04X}"


def characters(scripts: list[str]) -> list[str]:
    """The characters of some scripts, each once, in the order of `SCRIPTS`: Latin's before those that look like them."""
    return list(dict.fromkeys(c for name, letters in SCRIPTS.items() if name in scripts for c in letters()))


def span(*ends: str, without: str = "") -> Callable[[], list[str]]:
    """Characters from the first to the second, from the third to the fourth, and so on."""
    pairs = list(zip(ends[::2], ends[1::2], strict=True))
    return lambda: [chr(c) for a, b in pairs for c in range(ord(a), ord(b) + 1) if chr(c) not in without]


def _hangul() -> list[str]:
    """Syllables without a final consonant: 19 initials by 21 vowels."""
    return [chr(c) for c in range(0xAC00, 0xD7A4, 28)]


def _han() -> list[str]:
    """What the standards of China, Japan, Taiwan and Korea all count among the common characters: most fonts have it."""
    levels = {"gb2312": (0xB0, 0xD7), "euc_jp": (0xB0, 0xCF), "big5": (0xA4, 0xC6), "euc_kr": (0xCA, 0xFD)}

    def common(character: str) -> bool:
        try:
            return all(first <= character.encode(name)[0] <= last for name, (first, last) in levels.items())
        except UnicodeEncodeError:
            return False

    katakana = "二力夕工卜八口"  # which look like these
    return [chr(c) for c in range(0x4E00, 0xA000) if common(chr(c)) and chr(c) not in katakana]


SCRIPTS: dict[str, Callable[[], list[str]]] = {
    "latin": span("A", "Z", "a", "z", "Æ", "Æ", "Þ", "ß", "æ", "æ", "ð", "ð", "þ", "þ", "Ŋ", "ŋ", "Ə", "Ə", without="closvwxz"),
    "greek": span("Α", "Ω", "α", "ω", without="\u03a2κνο"),
    "cyrillic": span("А", "Я", "б", "б", "Ђ", "Ђ", "Є", "Є", "Љ", "Ћ", "Џ", "Џ", "ђ", "ђ", "Ѣ", "Ѣ"),
    "digits": span("0", "9"),
    "hiragana": span("ぁ", "ん", without="ぁぃぅぇぉっゃゅょゎ"),
    "katakana": span("ァ", "ヴ", without="ァィゥェォッャュョヮヘベペ"),
    "hangul": _hangul,
    "han": _han,
    "arabic": span("\u0621", "\u063a", "\u0641", "\u064a"),
    "hebrew": span("\u05d0", "\u05ea"),
    "devanagari": span("\u0905", "\u0914", "\u0915", "\u0939", "\u0967", "\u096f"),
    "thai": span("\u0e01", "\u0e2e", "\u0e51", "\u0e59"),
    "georgian": span("\u10d0", "\u10f0"),  # the old capitals are small letters in many fonts
    "armenian": span("\u0531", "\u0556", "\u0561", "\u0586", without="\u0585"),
}
"""Letters and digits that stand alone, by script; no accents, no signs that combine. Read right to left, or joined to
their neighbours when written, they are drawn in the form that they have alone. Left out is what is another at another
size, or a circle, or is written alike in two scripts."""
