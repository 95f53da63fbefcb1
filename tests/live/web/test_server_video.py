"""The server's own video, watched and steered by clients without a browser."""

from __future__ import annotations

import io
import json
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from commands import frames_of
from made_videos import uncollected
from webclient import Served, WebClient, box, frame, get, overlap

from siamtrack.errors import OutputError, SourceError
from siamtrack.live.capture import Captured
from siamtrack.live.web import source_session
from siamtrack.video.recorder import Recorder
from siamtrack.video.source import Frame, Source

Serve = Callable[..., Served]


def test_a_file_is_followed_from_its_first_frame_to_its_last(serve_live: Serve, clip: Path) -> None:
    served = serve_live(source=clip)
    with WebClient(served.url, "source") as client, WebClient(served.url, "source") as other:
        assert client.welcome["folder"] == str(served.out / "server")
        first = client.picture()
        assert first["scene"]["index"] == 0
        shown = cv2.imdecode(np.frombuffer(client.pictures[-1][1], np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None
        assert np.abs(shown.astype(int) - frame(0)).mean() < 12
        client.hear_for(0.5)
        assert len(client.pictures) == 1, "a file waits at its first frame"
        client.say("hold", seq=first["seq"])
        assert client.ask("add", box=box(0), seq=first["seq"])["name"] == "target-1"
        assert other.wait("scene")["scene"]["targets"][0]["name"] == "target-1"
        other.say("pause", on=False)
        seen = []
        while not seen or seen[-1]["scene"]["index"] < 19:
            seen.append(client.picture())
        ended = client.wait("status", lambda message: message["state"] == "ended")
        assert "its results are finished" in ended["problem"]
        assert "has ended" in client.ask("add", box=box(19))["message"]
    assert all(overlap(header["scene"]["targets"][0], header["scene"]["index"]) > 0.6 for header in seen)
    assert all(0 < header["age_ms"] < 20000 for header in seen)
    folder = served.out / "server" / "target-1"
    assert frames_of(folder) == list(range(20))
    run = json.loads((folder / "run.json").read_text())
    assert (run["ended"], run["frames"], run["source"]) == ("done", 20, str(clip))


def test_results_that_cannot_be_finished_are_not_called_so(
    serve_live: Serve, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutputError("boxes.csv cannot be written (No space left on device)")

    monkeypatch.setattr(Recorder, "finish", full)
    served = serve_live(source=clip)
    with WebClient(served.url, "source") as client:
        client.ask("add", box=box(0), seq=client.picture()["seq"])
        client.say("pause", on=False)
        ended = client.wait("status", lambda message: message["state"] == "ended" and ";" in message["problem"])
        assert ended["problem"] == "the video has ended; boxes.csv cannot be written (No space left on device)"


def test_a_file_can_be_stepped_and_played_again_in_the_same_memory(serve_live: Serve, clip: Path, tmp_path: Path) -> None:
    source = Path(shutil.copy(clip, tmp_path))
    served = serve_live(source=source)
    with WebClient(served.url, "source") as client, uncollected(Captured, av.VideoFrame) as alive:
        client.picture()
        for index in (1, 2):
            client.say("step")
            assert client.picture()["scene"]["index"] == index
        frames = []
        for number in (1, 2, 3):
            client.say("pause", on=False)
            client.wait("status", lambda message: message["state"] == "ended")
            client.say("pause", on=False)
            assert client.picture(lambda header: header["scene"]["index"] == 0)["scene"]["targets"] == []
            again = (
                client.wait("status", lambda message: message["state"] == "running")
                if client.heard[-1]["type"] != "status"
                else client.heard[-1]
            )
            assert again["paused"]
            assert client.ask("add", box=box(0))["name"] == f"target-{number}"
            frames.append(alive())
        assert frames[-1] < frames[0] + 10, "each playing has 20 of its own"
        client.say("pause", on=False)
        client.wait("status", lambda message: message["state"] == "ended")
        source.unlink()
        client.say("pause", on=False)
        assert client.wait("status", lambda message: "clip.mp4 not found" in message["problem"])["state"] == "ended"


def test_targets_are_drawn_again_removed_recorded_and_downloaded(serve_live: Serve, clip: Path) -> None:
    served = serve_live(source=clip)
    with WebClient(served.url, "source") as client:
        client.picture()
        base = f"/sessions/{client.welcome['session']}"
        assert get(served, f"{base}/results.zip", "HEAD")[0] == 404
        client.ask("add", box=[5, 5, 40, 40])
        assert client.ask("record", on=True)["file"] == "recording-1.mp4"
        client.say("step")
        client.picture()
        assert client.ask("reselect", name="target-1", box=box(1))["name"] == "target-1"
        assert overlap(client.heard[-2]["scene"]["targets"][0], 1) > 0.95
        x, y, w, h = box(1)
        assert client.ask("add", box=[x + w, y + h, -w, -h])["name"] == "target-2"
        assert client.ask("remove", name="target-1")["name"] == "target-1"
        assert "no such target" in client.ask("remove", name="target-1")["message"]
        client.say("step")
        assert [target["name"] for target in client.picture()["scene"]["targets"]] == ["target-2"]
        assert client.ask("screenshot")["file"] == "screenshot-1.png"
        assert client.ask("record", on=False) == {"type": "done", "about": "record", "on": False, "file": "recording-1.mp4"}
        status, headers, body = get(served, f"{base}/results.zip")
        assert (status, headers["content-type"]) == (200, "application/zip")
        assert headers["content-disposition"] == 'attachment; filename="siamtrack-server.zip"'
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            assert archive.testzip() is None
            assert {
                "target-1/boxes.csv",
                "target-2/boxes.csv",
                "target-2/run.json",
                "recording-1.mp4",
                "screenshot-1.png",
            } <= set(archive.namelist())
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


def test_a_client_that_does_not_read_slows_nobody(serve_live: Serve, clip: Path) -> None:
    served = serve_live(source=clip)
    with WebClient(served.url, "source") as slow, WebClient(served.url, "source") as fast:
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
    with WebClient(served.url, "source") as client:
        held = client.picture()
        client.say("hold", seq=held["seq"])
        for _ in range(15):
            client.say("step")
            client.picture()
        assert client.ask("add", box=box(0), seq=held["seq"])["name"] == "target-1"
        client.say("release")
        assert "not there any more" in client.ask("add", box=box(0), seq=held["seq"])["message"]
        assert "not there any more" in client.ask("add", box=box(0), seq=999)["message"]
    served.stop()
    run = json.loads((served.out / "server" / "target-1" / "run.json").read_text())
    assert (run["start"], run["ended"]) == (0, "the server was stopped")


@pytest.mark.parametrize(
    ("bad", "problem"), [([400, 300, 10, 10], "lies outside"), ([5, 5, 0, 10], "zero or less"), ([5, 5, 1, 1], "at least")]
)
def test_a_box_that_cannot_be_used_is_no_crime(serve_live: Serve, clip: Path, bad: list[float], problem: str) -> None:
    served = serve_live(source=clip)
    with WebClient(served.url, "source") as client:
        client.picture()
        for _ in range(30):
            assert problem in client.ask("add", box=bad)["message"]
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
    with WebClient(served.url, "source") as client:
        first = client.picture()
        assert client.ask("add", box=box(first["scene"]["index"]), seq=first["seq"])["name"] == "target-1"
        gone = client.wait("status", lambda message: message["state"] == "reconnecting")
        assert gone["problem"] == "a camera was unplugged"
        back = client.wait("status", lambda message: message["state"] == "running")
        assert back["problem"] == ""
        client.say("pause", on=True)
        client.wait("status", lambda message: message["paused"])
        for _ in range(4):  # what was being tracked or sent still comes
            before = client.pictures[-1][0]
            client.hear_for(0.7)
            if client.pictures[-1][0] is before:
                break
        assert client.pictures[-1][0] is before
        client.say("pause", on=False)
        after = client.picture()
        assert after["scene"]["index"] - before["scene"]["index"] > 15, "the newest picture, not the one after the pause"
        assert after["dropped"] > before["dropped"]
        assert after["age_ms"] < 5000


def test_a_camera_of_the_server_that_says_nothing_is_told_of(serve_live: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_session, "SILENT_S", 0.3)
    silent = threading.Event()

    class Silent(Filmed):
        def read(self, start: int = 0) -> Iterator[Frame]:
            for filmed in super().read(start):
                while silent.is_set():
                    time.sleep(0.01)
                yield filmed

    served = serve_live(source="any", opener=lambda _: Silent(10**6))
    with WebClient(served.url, "source") as client:
        client.picture()
        silent.set()
        told = client.wait("status", lambda message: message["state"] == "silent")
        assert told["problem"].startswith("no picture has come for")
        silent.clear()
        client.wait("status", lambda message: message["state"] == "running")


def test_a_video_that_breaks_off_says_why(serve_live: Serve) -> None:
    Filmed.opened = 0
    served = serve_live(source="any", opener=lambda _: Filmed(0))
    with WebClient(served.url, "source") as client:
        ended = client.heard[-1]
        if ended.get("state") != "ended":
            ended = client.wait("status", lambda message: message["state"] == "ended")
        assert ended["problem"] == "a camera was unplugged"
        assert "unplugged" in client.ask("add", box=box(0))["message"]
