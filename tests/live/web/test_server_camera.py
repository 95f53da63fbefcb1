"""Clients' own cameras: pictures go to a real server, results come back."""

from __future__ import annotations

import io
import json
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from commands import frames_of, wait_until
from webclient import Served, WebClient, box, closed, frame, get, overlap

Serve = Callable[..., Served]


def test_a_camera_is_followed_and_found_again_after_a_reload(serve_live: Serve) -> None:
    served = serve_live(grace_s=30)
    with WebClient(served.url, "camera") as client:
        assert not client.welcome["resumed"]
        session = client.welcome["session"]
        assert len(session) >= 20
        client.track(frame(0))
        assert client.ask("add", box=box(0), seq=1)["name"] == "target-1"
        assert all(overlap(client.track(frame(i))["targets"][0], i) > 0.6 for i in range(1, 5))
    with WebClient(served.url, "camera", session) as client:
        assert (client.welcome["resumed"], client.welcome["session"]) == (True, session)
        assert client.welcome["scene"]["targets"][0]["name"] == "target-1"
        assert all(overlap(client.track(frame(i))["targets"][0], i) > 0.6 for i in range(5, 9))
    served.stop()
    assert len(frames_of(served.out / "browser-1" / "target-1")) == 9


def test_a_browser_that_does_not_come_back_leaves_whole_files(serve_live: Serve) -> None:
    served = serve_live(grace_s=0.3, max_sessions=1)
    with WebClient(served.url, "camera") as client:
        session = client.welcome["session"]
        client.track(frame(0))
        client.ask("add", box=box(0))
        client.ask("record", on=True)
        client.track(frame(1))
        with WebClient(served.url, None) as busy:
            busy.say("hello", version=1, mode="camera")
            assert "busy: 1 videos" in busy.wait("refused")["message"]
        client.socket.socket.shutdown(socket.SHUT_RDWR)  # killed: it does not say goodbye
    done, recording = (served.out / "browser-1" / name for name in ("target-1/run.json", "recording-1.mp4"))
    wait_until(lambda: done.exists() and recording.exists())
    assert json.loads(done.read_text())["ended"] == "the browser was gone for 0.3 s"
    with WebClient(served.url, "camera", session) as client:
        assert not client.welcome["resumed"]
        assert client.welcome["folder"] == str(served.out / "browser-2")
    served.stop()
    again = serve_live(out=served.out)  # what the session wrote can be fetched by its name, and by no other
    with zipfile.ZipFile(io.BytesIO(get(again, f"/sessions/{session}/results.zip")[2])) as archive:
        assert {"recording-1.mp4", "target-1/boxes.csv"} <= set(archive.namelist())
    for name in ("browser-1", session[:-1], (served.out / "browser-1" / ".session").read_text(), "..", "%2e%2e"):
        assert get(again, f"/sessions/{name}/results.zip")[0] == 404


def test_a_session_without_results_makes_room_when_its_client_has_gone(serve_live: Serve) -> None:
    served = serve_live(grace_s=60, max_sessions=2)
    with WebClient(served.url, "camera") as useful:
        useful.track(frame(0))
        useful.ask("add", box=box(0))
    for _ in range(4):  # visitors who look, and go
        with WebClient(served.url, "camera") as client:
            client.track(frame(0))
    with WebClient(served.url, "camera", useful.welcome["session"]) as client:
        assert client.welcome["resumed"]


def test_all_targets_are_finished_at_once_and_new_ones_can_be_drawn(serve_live: Serve) -> None:
    served = serve_live()
    with WebClient(served.url, "camera") as client:
        client.track(frame(0))
        for _ in range(2):
            client.ask("add", box=box(0))
        client.ask("record", on=True)
        client.track(frame(1))
        assert client.ask("finish") == {"type": "done", "about": "finish"}
        for name in ("target-1", "target-2"):
            assert len(frames_of(served.out / "browser-1" / name)) == 2
        assert (served.out / "browser-1" / "recording-1.mp4").exists()
        assert client.track(frame(2))["targets"] == []
        assert client.ask("add", box=box(2))["name"] == "target-3"


def test_a_session_goes_on_in_the_client_that_asked_last(serve_live: Serve) -> None:
    served = serve_live()
    with WebClient(served.url, "camera") as first:
        first.track(frame(0))
        first.ask("add", box=box(0))
        with WebClient(served.url, "camera", first.welcome["session"]) as second:
            assert closed(first) == 4001
            assert overlap(second.track(frame(1))["targets"][0], 1) > 0.6


def test_pictures_that_come_too_fast_are_dropped_and_each_is_answered(serve_live: Serve) -> None:
    served = serve_live()
    with WebClient(served.url, "camera") as client:
        client.track(frame(0))
        for _ in range(4):
            client.ask("add", box=box(0))
        sent = [client.film(frame(i)) for i in range(1, 9)]
        answers = [client.wait(("result", "skipped")) for _ in sent]
        # Each frame has its own number, though later ones came while it was worked on; the dropped ones count too.
        assert all(answer["scene"]["index"] == answer["seq"] - 1 for answer in answers if answer["type"] == "result")
        assert sorted(answer["seq"] for answer in answers) == sent
        assert sent[-1] in [answer["seq"] for answer in answers if answer["type"] == "result"]


def test_a_turned_phone_is_told_to_draw_again(serve_live: Serve) -> None:
    served = serve_live()
    with WebClient(served.url, "camera") as client:
        client.track(frame(0))
        client.ask("add", box=box(0))
        turned = np.ascontiguousarray(np.rot90(frame(1)))
        assert client.track(turned)["targets"] == []
        assert "draw the targets again" in next(message for message in client.heard if message["type"] == "error")["message"]
        assert client.track(turned)["notice"] == ""


def test_two_cameras_do_not_disturb_each_other(serve_live: Serve) -> None:
    served = serve_live()
    with WebClient(served.url, "camera") as one, WebClient(served.url, "camera") as two:
        assert one.welcome["session"] != two.welcome["session"]
        for client, start in ((one, 0), (two, 20)):
            client.track(frame(start))
            client.ask("add", box=box(start))
        for i in range(1, 5):
            assert overlap(one.track(frame(i))["targets"][0], i) > 0.6
            assert overlap(two.track(frame(20 + i))["targets"][0], 20 + i) > 0.6


def test_a_full_disk_is_told_and_the_video_goes_on(serve_live: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    served = serve_live(out=tmp_path / "file" / "out")
    with WebClient(served.url, "camera") as client:
        client.track(frame(0))
        assert "cannot be written" in client.ask("add", box=box(0))["message"]
        assert "cannot be" in client.ask("screenshot")["message"]
        assert client.track(frame(1))["targets"] == []
