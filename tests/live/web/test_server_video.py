"""The server's own video, watched and steered by tabs without a browser."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from webtab import Served, Tab, box, frame, get, overlap, rows

from siamtrack.errors import SourceError
from siamtrack.video.source import Frame, Source

Serve = Callable[..., Served]


def test_a_file_is_followed_from_its_first_frame_to_its_last(serve_live: Serve, clip: Path) -> None:
    served = serve_live(source=clip)
    with Tab(served.url, "source") as tab, Tab(served.url, "source") as other:
        assert tab.welcome["folder"] == str(served.out / "server")
        first = tab.picture()
        assert first["scene"]["index"] == 0
        shown = cv2.imdecode(np.frombuffer(tab.pictures[-1][1], np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None
        assert np.abs(shown.astype(int) - frame(0)).mean() < 12
        tab.hear_for(0.5)
        assert len(tab.pictures) == 1, "a file waits at its first frame"
        tab.say("hold", seq=first["seq"])
        assert tab.ask("add", box=box(0), seq=first["seq"])["name"] == "target-1"
        assert other.wait("scene")["scene"]["targets"][0]["name"] == "target-1"
        other.say("pause", on=False)
        seen = []
        while not seen or seen[-1]["scene"]["index"] < 19:
            seen.append(tab.picture())
        ended = tab.wait("status", lambda message: message["state"] == "ended")
        assert "its results are finished" in ended["problem"]
        assert "has ended" in tab.ask("add", box=box(19))["message"]
    assert all(overlap(header["scene"]["targets"][0], header["scene"]["index"]) > 0.6 for header in seen)
    assert all(0 < header["age_ms"] < 20000 for header in seen)
    folder = served.out / "server" / "target-1"
    assert [int(row["frame"]) for row in rows(folder)] == list(range(20))
    run = json.loads((folder / "run.json").read_text())
    assert (run["ended"], run["frames"], run["source"]) == ("done", 20, str(clip))


def test_a_file_can_be_stepped_and_played_again(serve_live: Serve, clip: Path) -> None:
    served = serve_live(source=clip)
    with Tab(served.url, "source") as tab:
        tab.picture()
        for index in (1, 2):
            tab.say("step")
            assert tab.picture()["scene"]["index"] == index
        tab.say("pause", on=False)
        tab.wait("status", lambda message: message["state"] == "ended")
        tab.say("pause", on=False)
        assert tab.picture(lambda header: header["scene"]["index"] == 0)["scene"]["targets"] == []
        again = (
            tab.wait("status", lambda message: message["state"] == "running")
            if tab.heard[-1]["type"] != "status"
            else tab.heard[-1]
        )
        assert again["paused"]
        assert tab.ask("add", box=box(0))["name"] == "target-1"


def test_targets_are_drawn_again_removed_recorded_and_downloaded(serve_live: Serve, clip: Path) -> None:
    served = serve_live(source=clip)
    with Tab(served.url, "source") as tab:
        tab.picture()
        base = f"/sessions/{tab.welcome['session']}"
        assert get(served, f"{base}/results.zip", "HEAD")[0] == 404
        tab.ask("add", box=[5, 5, 40, 40])
        assert tab.ask("record", on=True)["file"] == "recording-1.mp4"
        tab.say("step")
        tab.picture()
        assert tab.ask("reselect", name="target-1", box=box(1))["name"] == "target-1"
        assert overlap(tab.heard[-2]["scene"]["targets"][0], 1) > 0.95
        x, y, w, h = box(1)
        assert tab.ask("add", box=[x + w, y + h, -w, -h])["name"] == "target-2"
        assert tab.ask("remove", name="target-1")["name"] == "target-1"
        assert "no such target" in tab.ask("remove", name="target-1")["message"]
        tab.say("step")
        assert [target["name"] for target in tab.picture()["scene"]["targets"]] == ["target-2"]
        assert tab.ask("screenshot")["file"] == "screenshot-1.png"
        assert tab.ask("record", on=False) == {"type": "done", "about": "record", "on": False, "file": "recording-1.mp4"}
        status, headers, body = get(served, f"{base}/results.zip")
        assert (status, headers["content-type"]) == (200, "application/zip")
        assert headers["content-disposition"] == 'attachment; filename="siamtrack-server.zip"'
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            assert archive.testzip() is None
            assert {"target-1/boxes.csv", "target-2/boxes.partial.csv", "recording-1.mp4", "screenshot-1.png"} <= set(
                archive.namelist()
            )
        status, _, body = get(served, f"{base}/files/screenshot-1.png")
        assert (status, body) == (200, (served.out / "server" / "screenshot-1.png").read_bytes())
        for bad in (
            "/files/..%2F..%2Fetc%2Fpasswd",
            "/files/%2Fetc%2Fpasswd",
            "/files/../results.zip",
            "/files/recording-9.mp4",
        ):
            assert get(served, base + bad)[0] == 404
        assert get(served, "/sessions/..%2F..%2Fetc/results.zip")[0] == 404
        assert get(served, "/sessions/unknown/results.zip")[0] == 404


def test_a_tab_that_does_not_read_slows_nobody(serve_live: Serve, clip: Path) -> None:
    served = serve_live(source=clip)
    with Tab(served.url, "source") as slow, Tab(served.url, "source") as fast:
        slow.acknowledges = False
        fast.picture()
        fast.say("pause", on=False)
        while fast.picture()["scene"]["index"] < 19:
            pass
        slow.hear_for(1)
        assert len(slow.pictures) == 2, "two may be under way"
        slow.say("ack", seq=1)
        last = slow.picture()
        assert (last["scene"]["index"], last["seq"]) == (19, 3)
        assert last["skipped"] >= 10


def test_a_box_is_learned_on_the_frame_that_was_held(serve_live: Serve, clip: Path) -> None:
    served = serve_live(source=clip)
    with Tab(served.url, "source") as tab:
        held = tab.picture()
        tab.say("hold", seq=held["seq"])
        for _ in range(9):
            tab.say("step")
            tab.picture()
        assert tab.ask("add", box=box(0), seq=held["seq"])["name"] == "target-1"
        tab.say("release")
        assert "not there any more" in tab.ask("add", box=box(0), seq=held["seq"])["message"]
        assert "not there any more" in tab.ask("add", box=box(0), seq=999)["message"]
    served.stop()
    run = json.loads((served.out / "server" / "target-1" / "run.json").read_text())
    assert (run["start"], run["ended"]) == (0, "the server was stopped")


@pytest.mark.parametrize(
    ("bad", "problem"), [([400, 300, 10, 10], "lies outside"), ([5, 5, 0, 10], "zero or less"), ([5, 5, 1, 1], "at least")]
)
def test_a_box_that_cannot_be_used_is_no_crime(serve_live: Serve, clip: Path, bad: list[float], problem: str) -> None:
    served = serve_live(source=clip)
    with Tab(served.url, "source") as tab:
        tab.picture()
        for _ in range(30):
            assert problem in tab.ask("add", box=bad)["message"]
    assert not served.out.exists()


class Filmed(Source):
    """A camera that gives rendered frames, goes away at frame `gone`, and comes back."""

    name, fps, frame_count, live = "a camera", 30.0, None, True
    opened = 0

    def __init__(self, gone: int) -> None:
        Filmed.opened += 1
        self.gone = gone if Filmed.opened == 1 else 10**6

    def read(self, start: int = 0) -> Iterator[Frame]:
        for index in range(self.gone):
            time.sleep(0.02)
            yield Frame(index, index / 50, frame(index % 60))
        raise SourceError("a camera was unplugged")


def test_a_camera_of_the_server_may_go_and_come_back(serve_live: Serve) -> None:
    Filmed.opened = 0
    served = serve_live(source="any", opener=lambda _: Filmed(25))
    with Tab(served.url, "source") as tab:
        first = tab.picture()
        assert tab.ask("add", box=box(first["scene"]["index"]), seq=first["seq"])["name"] == "target-1"
        gone = tab.wait("status", lambda message: message["state"] == "reconnecting")
        assert gone["problem"] == "a camera was unplugged"
        back = tab.wait("status", lambda message: message["state"] == "running")
        assert back["problem"] == ""
        tab.say("pause", on=True)
        tab.wait("status", lambda message: message["paused"])
        tab.hear_for(0.5)
        before = tab.pictures[-1][0]
        tab.hear_for(0.7)
        assert tab.pictures[-1][0] is before
        tab.say("pause", on=False)
        after = tab.picture()
        assert after["scene"]["index"] - before["scene"]["index"] > 15, "the newest picture, not the one after the pause"
        assert after["dropped"] > before["dropped"]
        assert after["age_ms"] < 5000


def test_a_video_that_breaks_off_says_why(serve_live: Serve) -> None:
    Filmed.opened = 0
    served = serve_live(source="any", opener=lambda _: Filmed(0))
    with Tab(served.url, "source") as tab:
        ended = tab.heard[-1] if tab.heard[-1].get("state") == "ended" else tab.wait("status", lambda m: m["state"] == "ended")
        assert ended["problem"] == "a camera was unplugged"
        assert "unplugged" in tab.ask("add", box=box(0))["message"]
