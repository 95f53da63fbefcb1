"""Names from results, made fit for files and labels."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.labels.files import clean_label, safe_name, safe_names
from siamtrack.labels.label_selection import LabelOptions

ANY_TEXT = st.text(st.characters(), max_size=400)  # surrogates as well: they come from odd file names


@given(ANY_TEXT)
def test_no_name_leads_out_of_a_folder(text: str) -> None:
    name = safe_name(text)
    path = Path("/out") / f"{name}.txt"
    assert path.parent == Path("/out")
    assert path.name not in ("", ".", "..", ".txt")
    assert not name.startswith((".", "-"))
    assert len(name.encode()) <= 151


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("clip", "clip"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("a<b>&\"c'.d", "a_b_c_.d"),
        ("猫 2", "猫 2"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("nul.txt", "_nul.txt"),
        ("-rf", "rf"),
        ("x" * 400, "x" * 150),
    ],
)
def test_names_of_files(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_names_of_files_differ_also_where_case_does_not_count() -> None:
    assert safe_names(["clip", "Clip", "clip-2", "a/b", "a:b"]) == ["clip", "Clip-2", "clip-2-2", "a_b", "a_b-2"]


@given(ANY_TEXT)
def test_labels_are_one_printable_line(text: str) -> None:
    label = clean_label(text)
    assert label.isprintable()
    assert label == label.strip()
    label.encode()


def test_the_label_may_hold_the_targets_name() -> None:
    assert LabelOptions().label_of("dog") == "object"
    assert LabelOptions(label="{target}").label_of("dog <1>\n") == "dog <1>"
    assert LabelOptions(label="my {target}").label_of("dog") == "my dog"
    assert LabelOptions(label="{target}").label_of("\x00") == "object"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"label": " \t"}, "no character that can be shown"),
        ({"min_score": 1.5}, "min_score 1.5 is not a score"),
        ({"min_score": float("nan")}, "min_score nan is not a score"),
        ({"every": 0}, "every 0 keeps no frame"),
        ({"suffix": "gif"}, "no frame images end in 'gif'; known: jpg, png"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options: dict, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        LabelOptions(**options)
