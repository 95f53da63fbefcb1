from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.batch.jobs import TargetJob, VideoJob, checked, name_problem, video_names
from siamtrack.config import build, to_plain
from siamtrack.errors import DataError

BOX = (1.0, 2.0, 30.0, 40.0)


def test_jobs_are_plain_data() -> None:
    (job,) = checked([VideoJob("x/a.mp4", (TargetJob("car", BOX, 1, 5),))]).videos
    assert build(VideoJob, json.loads(json.dumps(to_plain(job)))) == job


@pytest.mark.parametrize(
    ("jobs", "words"),
    [
        ([], "no jobs"),
        ([VideoJob("a.mp4", ())], "has no targets"),
        ([VideoJob("a.mp4", (TargetJob("../x", BOX),))], "cannot name a folder"),
        ([VideoJob("a.mp4", (TargetJob("x", (1, 2, float("nan"), 4)),))], "not four finite numbers"),
        ([VideoJob("a.mp4", (TargetJob("x", BOX), TargetJob("X", BOX)))], "two targets of one name"),
        ([VideoJob("a.mp4", (TargetJob("x", BOX),)), VideoJob("a.mp4", (TargetJob("y", BOX),))], "is given twice"),
    ],
)
def test_jobs_made_in_python_are_checked(jobs: list[VideoJob], words: str) -> None:
    with pytest.raises(DataError, match=words):
        checked(jobs)


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
    assert len({name.casefold() for name in names}) == len(labels)
    order = list(range(len(labels)))
    random.shuffle(order)  # type: ignore[attr-defined]
    again = video_names([labels[i] for i in order], [stems[i] for i in order])
    assert again == [names[i] for i in order]


def video(*spans: tuple[int, int | None]) -> VideoJob:
    return VideoJob("v.mp4", tuple(TargetJob(str(n), BOX, *span) for n, span in enumerate(spans)))


def names(parts: list[VideoJob]) -> list[list[str]]:
    return [[target.name for target in part.targets] for part in parts]


def test_a_part_begins_where_all_before_it_have_ended() -> None:
    assert names(video((0, 9), (10, 19), (15, 30), (31, None)).parts()) == [["0"], ["1", "2"], ["3"]]
    assert names(video((40, 50), (0, 9)).parts()) == [["1"], ["0"]]
    assert names(video((0, None), (100, 110)).parts()) == [["0", "1"]]
    assert names(video((0, 10), (10, 20)).parts()) == [["0", "1"]]  # both are followed in frame 10
    ways = (TargetJob("a", BOX, 20, 15, "backward"), TargetJob("b", BOX, 12, 14), TargetJob("c", BOX, 30, None, "backward"))
    assert names(VideoJob("a.mp4", ways[:2]).parts()) == [["b"], ["a"]]
    assert names(VideoJob("a.mp4", ways).parts()) == [["c", "b", "a"]]
    assert names(VideoJob("a.mp4", (TargetJob("a", BOX, 9, 11, "both"), TargetJob("b", BOX, 12))).parts()) == [["a"], ["b"]]


@given(st.lists(st.tuples(st.integers(0, 60), st.one_of(st.none(), st.integers(0, 30))), min_size=1, max_size=12))
def test_every_target_is_in_one_part_and_parts_do_not_overlap(drawn: list[tuple[int, int | None]]) -> None:
    job = video(*[(start, None if length is None else start + length) for start, length in drawn])
    parts = job.parts()
    assert sorted(target.name for part in parts for target in part.targets) == sorted(target.name for target in job.targets)
    reached = -1.0
    for part in parts:
        assert min(target.start for target in part.targets) > reached
        reached = max(float("inf") if target.end is None else target.end for target in part.targets)
