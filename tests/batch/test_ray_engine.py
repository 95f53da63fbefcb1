"""The cluster engine on a real Ray cluster of two nodes on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import files_of

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
ray = pytest.importorskip("ray")  # in the extra `cluster`, which `dev` includes

from ray.cluster_utils import Cluster  # noqa: E402

from siamtrack.batch.driver import batch  # noqa: E402
from siamtrack.batch.engine import Event, Retried, VideoProgress  # noqa: E402
from siamtrack.batch.jobs import TargetJob, VideoJob  # noqa: E402
from siamtrack.errors import SiamtrackError  # noqa: E402

pytestmark = pytest.mark.slow

BOX = (60.0, 80.0, 40.0, 50.0)
CORNER = (2.0, 3.0, 50.0, 40.0)
LONG = 300
"""Frames of a clip that takes seconds: time to take a node away."""
COMMON: dict[str, Any] = {"model": "siamfc-lite", "device": "cpu", "precision": "float32", "threads": 1}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes of one core each; the driver connects to the first."""
    # A node that is gone is asked five times until it counts as dead: in seconds, not in a quarter of a minute.
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": {"health_check_period_ms": 500}}
    made = Cluster(initialize_head=True, head_node_args=head)
    made.add_node(num_cpus=1)
    # The workers of a task must find the modules as this process does.
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def videos(write_clip: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> list[VideoJob]:
    folder = tmp_path_factory.mktemp("videos")
    one = TargetJob("one", BOX)
    return [
        VideoJob(str(write_clip(folder / "a.mp4", frames=12)), (one, TargetJob("two", CORNER, 3, 8))),
        VideoJob(str(write_clip(folder / "b.mp4", frames=14)), (TargetJob("early", BOX, 0, 4), TargetJob("late", CORNER, 6))),
        VideoJob(str(write_clip(folder / "c.mp4", frames=10)), (one,)),
    ]


@pytest.fixture(scope="module")
def local(videos: list[VideoJob], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the local engine makes of the same jobs."""
    out = tmp_path_factory.mktemp("local")
    assert [result.outcome for result in batch(videos, out, workers=1, **COMMON)] == ["done"] * 5
    return files_of(out)


def test_it_gives_the_local_engines_results(
    cluster: Cluster, videos: list[VideoJob], local: dict[str, bytes], tmp_path: Path
) -> None:
    events: list[Event] = []
    results = list(batch(videos, tmp_path, engine="ray", on_event=events.append, **COMMON))
    assert sorted((Path(result.video).name, result.target, result.outcome) for result in results) == [
        ("a.mp4", "one", "done"),
        ("a.mp4", "two", "done"),
        ("b.mp4", "early", "done"),  # two parts, side by side
        ("b.mp4", "late", "done"),
        ("c.mp4", "one", "done"),
    ]
    assert files_of(tmp_path) == local
    assert {path.parent.name for path in tmp_path.rglob("contact_sheet.jpg")} == {"a", "b", "c"}
    assert not any(isinstance(event, Retried) for event in events)
    again = list(batch(videos, tmp_path, engine="ray", **COMMON))
    assert all(result.earlier for result in again)


def test_a_node_that_dies_loses_nothing(
    cluster: Cluster, local: dict[str, bytes], videos: list[VideoJob], write_clip: Callable[..., Path], tmp_path: Path
) -> None:
    doomed = cluster.add_node(num_cpus=2)
    long = [VideoJob(str(write_clip(tmp_path / f"long{n}.mp4", frames=LONG)), (TargetJob("one", BOX),)) for n in range(3)]
    seen: list[Event] = []
    killed = False

    def watch(event: Event) -> None:
        nonlocal killed
        seen.append(event)
        busy = {one.video for one in seen if isinstance(one, VideoProgress) and one.frames > 2}
        if len(busy) == 3 and not killed:  # all are under way, so one at least is on the node that goes
            killed = True
            cluster.remove_node(doomed, allow_graceful=False)

    results = list(batch([*long, *videos], tmp_path / "out", engine="ray", on_event=watch, **COMMON))
    assert killed
    assert any(isinstance(event, Retried) for event in seen)
    assert [result.outcome for result in results] == ["done"] * 8
    found = files_of(tmp_path / "out")
    assert {name: data for name, data in found.items() if not name.startswith("long")} == local
    longs = [data for name, data in found.items() if name.startswith("long") and name.endswith(".csv")]
    assert len(set(longs)) == 1  # the same clip three times
    assert len(longs[0].splitlines()) == LONG + 1


def test_what_fails_fails_alone(cluster: Cluster, videos: list[VideoJob], tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    jobs = [VideoJob(str(broken), (TargetJob("one", BOX),)), videos[2]]
    results = {result.video: result for result in batch(jobs, tmp_path / "out", engine="ray", **COMMON)}
    assert results[str(broken)].outcome == "failed"
    assert "cannot be opened" in str(results[str(broken)].error)
    assert results[videos[2].path].outcome == "done"


def test_a_disk_that_is_full_ends_the_run(cluster: Cluster, videos: list[VideoJob], tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "c").mkdir(parents=True)
    (out / "c" / "one").write_text("a file where the folder should be")
    with pytest.raises(SiamtrackError, match="cannot be"):
        list(batch([videos[2]], out, engine="ray", **COMMON))
