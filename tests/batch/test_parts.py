from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from siamtrack.batch.jobs import TargetJob, VideoJob
from siamtrack.batch.parts import parts_of

BOX = (1.0, 2.0, 3.0, 4.0)


def video(*spans: tuple[int, int | None]) -> VideoJob:
    return VideoJob("v.mp4", tuple(TargetJob(str(n), BOX, *span) for n, span in enumerate(spans)))


def names(parts: list[VideoJob]) -> list[list[str]]:
    return [[target.name for target in part.targets] for part in parts]


def test_a_part_begins_where_all_before_it_have_ended() -> None:
    assert names(parts_of(video((0, 9), (10, 19), (15, 30), (31, None)))) == [["0"], ["1", "2"], ["3"]]
    assert names(parts_of(video((40, 50), (0, 9)))) == [["1"], ["0"]]
    assert names(parts_of(video((0, None), (100, 110)))) == [["0", "1"]]
    assert names(parts_of(video((0, 10), (10, 20)))) == [["0", "1"]]  # both are followed in frame 10


@given(st.lists(st.tuples(st.integers(0, 60), st.one_of(st.none(), st.integers(0, 30))), min_size=1, max_size=12))
def test_every_target_is_in_one_part_and_parts_do_not_overlap(drawn: list[tuple[int, int | None]]) -> None:
    job = video(*[(start, None if length is None else start + length) for start, length in drawn])
    parts = parts_of(job)
    assert sorted(target.name for part in parts for target in part.targets) == sorted(target.name for target in job.targets)
    reached = -1.0
    for part in parts:
        assert min(target.start for target in part.targets) > reached
        reached = max(float("inf") if target.end is None else target.end for target in part.targets)
