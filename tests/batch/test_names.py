from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.batch.names import folded, name_problem, video_names


@pytest.mark.parametrize("name", ["car", "7", "red car", "Ü-Bahn", "a.b", "-x", "consul", "summary of it"])
def test_good_names(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("", "empty"),
        ("..", "dot"),
        (".hidden", "dot"),
        ("a/b", "separator"),
        ("a\\b", "separator"),
        ("../../x", "separator"),
        ("a\nb", "control"),
        ("what?", "separator"),
        (" a", "blank"),
        ("a.", "dot"),
        ("NUL", "device"),
        ("com1.txt", "device"),
        ("overlay.mp4", "kept"),
        ("contact_sheet.jpg", "kept"),
        ("ü" * 100, "200 bytes"),
    ],
)
def test_bad_names_say_why(name: str, word: str) -> None:
    assert word in (name_problem(name) or "")


def test_videos_are_called_by_their_stems_and_by_more_where_those_collide() -> None:
    def names(*labels: str) -> list[str]:
        return video_names(labels, [label.rpartition("/")[2].rpartition(".")[0] for label in labels])

    assert names("x/a.mp4", "y/b.mp4") == ["a", "b"]
    assert names("x/a.mp4", "x/a.avi", "b.mp4") == ["a.mp4", "a.avi", "b"]
    assert names("x/a.mp4", "y/a.mp4") == ["x-a", "y-a"]
    assert names("x/a.mp4", "y/A.mp4") == ["x-a", "y-A"]
    deep = names("p/x/a.mp4", "q/x/a.mp4", "x-a.mp4")
    assert deep[2] == "x-a"
    assert len(set(deep)) == 3
    assert all(name.startswith("a-") for name in deep[:2])
    assert video_names(["con.mp4"], ["con"]) == ["video-con"]


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=8, unique=True), st.randoms())
def test_any_videos_get_usable_names_that_differ_in_any_order(labels: list[str], random: object) -> None:
    stems = [label[:4] for label in labels]
    names = video_names(labels, stems)
    assert all(name_problem(name) is None for name in names)
    assert len({folded(name) for name in names}) == len(labels)
    order = list(range(len(labels)))
    random.shuffle(order)  # type: ignore[attr-defined]
    again = video_names([labels[i] for i in order], [stems[i] for i in order])
    assert again == [names[i] for i in order]
