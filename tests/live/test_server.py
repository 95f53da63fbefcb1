"""The server as the network sees it: a real one on a loopback port, and clients good and bad."""

from __future__ import annotations

import csv
import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rendered import rendered_frame
from websockets.exceptions import ConnectionClosed, InvalidStatus
from webtab import Served, Tab

from siamtrack.boxes import iou
from siamtrack.errors import SiamtrackError, SourceError
from siamtrack.live import connection
from siamtrack.live.drawing import PALETTE
from siamtrack.live.server import LiveServer, ServerSettings
from siamtrack.live.session import Session
from siamtrack.video.source import Frame, Source

Serve = Callable[..., Served]

TOKEN = "a-token-of-32-letters-and-digits"


def box(index: int) -> list[float]:
    return [float(value) for value in rendered_frame(index)[1]]


def frame(index: int) -> np.ndarray:
    return rendered_frame(index)[0]


def overlap(target: dict[str, Any], index: int) -> float:
    return float(iou(np.array(target["box"]), np.array(box(index))))


def rows(folder: Path, name: str = "boxes.csv") -> list[dict[str, str]]:
    with (folder / name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def get(served: Served, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """An HTTP request; `host_` and the like give headers."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.putrequest(method, path, skip_host="host_" in headers)
    for name, value in headers.items():
        connection.putheader(name.rstrip("_").replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    found = {name.lower(): value for name, value in answer.getheaders()}
    body = answer.read() if answer.status != 101 else b""
    connection.close()
    return answer.status, found, body


def knock(served: Served, path: str = "/ws", **headers: str) -> int:
    """The status of a WebSocket's handshake."""
    opening = {"upgrade": "websocket", "connection": "Upgrade", "sec_websocket_version": "13"}
    return get(served, path, sec_websocket_key="AAAAAAAAAAAAAAAAAAAAAA==", **opening, **headers)[0]


def closed(tab: Tab) -> int | None:
    """The code that a connection was closed with, after all that was told before; None if it was cut off."""
    with pytest.raises(ConnectionClosed) as caught:
        tab.hear_for(10)
    return int(caught.value.rcvd.code) if caught.value.rcvd is not None else None


def no_session(out: Path, source: str, fps: float) -> Session:
    raise AssertionError("nothing should be tracked here")


# The page.


def test_the_page_needs_nothing_but_this_server(serve_live: Serve) -> None:
    served = serve_live()
    status, headers, body = get(served)
    assert status == 200
    assert headers["content-type"].startswith("text/html")
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in headers
    names = re.findall(r'(?:src|href)="([^"]+)"', body.decode())
    assert {"live.js", "live.css"} <= set(names)
    script = {
        item.name: item.read_text("utf-8") for item in (resources.files("siamtrack") / "assets").iterdir() if ".js" in item.name
    }
    names += [name for text in script.values() for name in re.findall(r'from "\./([^"]+)"', text)]
    for name in names:
        if name.startswith("data:"):
            continue
        kind = {"css": "text/css", "js": "text/javascript"}[name.rpartition(".")[2]]
        status, headers, text = get(served, f"/{name}")
        assert (status, headers["content-type"].split(";")[0]) == (200, kind), name
        assert not re.search(rb"(src|href|url|from|fetch|import)[=(\s]*[\"'`]?(https?:)?//", text), f"{name} asks somebody else"
    assert get(served, "/", "HEAD")[0] == 200
    for path in ("/docs", "/openapi.json", "/redoc", "/nothing", "/assets/siamfc.safetensors", "/siamfc.safetensors"):
        assert get(served, path)[0] == 404


def test_the_page_is_packed() -> None:
    text = (Path(__file__).parents[2] / "setup.py").read_text("utf-8")
    assert '"assets/live*"' in text


def test_the_page_draws_targets_as_the_recordings_do() -> None:
    text = (resources.files("siamtrack") / "assets" / "live-picture.js").read_text("utf-8")
    named = re.search(r"PALETTE = (\[.*?\])", text)
    assert named
    assert json.loads(named[1]) == [f"#{red:02X}{green:02X}{blue:02X}" for blue, green, red in PALETTE]


# The server's own video.


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


# A tab's own camera.


def test_a_camera_is_followed_and_found_again_after_a_reload(serve_live: Serve) -> None:
    served = serve_live(grace_s=30)
    with Tab(served.url, "camera") as tab:
        assert not tab.welcome["resumed"]
        session = tab.welcome["session"]
        assert len(session) >= 20
        tab.track(frame(0))
        assert tab.ask("add", box=box(0), seq=1)["name"] == "target-1"
        assert all(overlap(tab.track(frame(i))["targets"][0], i) > 0.6 for i in range(1, 5))
    with Tab(served.url, "camera", session) as tab:
        assert (tab.welcome["resumed"], tab.welcome["session"]) == (True, session)
        assert tab.welcome["scene"]["targets"][0]["name"] == "target-1"
        assert all(overlap(tab.track(frame(i))["targets"][0], i) > 0.6 for i in range(5, 9))
    served.stop()
    assert len(rows(served.out / "browser-1" / "target-1")) == 9


def test_a_browser_that_does_not_come_back_leaves_whole_files(serve_live: Serve) -> None:
    served = serve_live(grace_s=0.3, max_sessions=1)
    with Tab(served.url, "camera") as tab:
        session = tab.welcome["session"]
        tab.track(frame(0))
        tab.ask("add", box=box(0))
        tab.ask("record", on=True)
        tab.track(frame(1))
        with Tab(served.url, None) as busy:
            busy.say("hello", version=1, mode="camera")
            assert "busy: 1 cameras" in busy.wait("refused")["message"]
        tab.socket.socket.shutdown(socket.SHUT_RDWR)  # killed: it does not say goodbye
    done = served.out / "browser-1" / "target-1" / "run.json"
    until = time.monotonic() + 10
    while not done.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert json.loads(done.read_text())["ended"] == "the browser was gone for 0.3 s"
    assert (served.out / "browser-1" / "recording-1.mp4").exists()
    assert get(served, f"/sessions/{session}/results.zip")[0] == 404
    with Tab(served.url, "camera", session) as tab:
        assert not tab.welcome["resumed"]
        assert tab.welcome["folder"] == str(served.out / "browser-2")


def test_a_session_goes_on_in_the_tab_that_asked_last(serve_live: Serve) -> None:
    served = serve_live()
    with Tab(served.url, "camera") as first:
        first.track(frame(0))
        first.ask("add", box=box(0))
        with Tab(served.url, "camera", first.welcome["session"]) as second:
            assert closed(first) == 4001
            assert overlap(second.track(frame(1))["targets"][0], 1) > 0.6


def test_pictures_that_come_too_fast_are_dropped_and_each_is_answered(serve_live: Serve) -> None:
    served = serve_live()
    with Tab(served.url, "camera") as tab:
        tab.track(frame(0))
        for _ in range(4):
            tab.ask("add", box=box(0))
        sent = [tab.film(frame(i)) for i in range(1, 9)]
        answers = [tab.wait(("result", "skipped")) for _ in sent]
        # Each frame has its own number, though later ones came while it was worked on; the dropped ones count too.
        assert all(answer["scene"]["index"] == answer["seq"] - 1 for answer in answers if answer["type"] == "result")
        assert sorted(answer["seq"] for answer in answers) == sent
        assert sent[-1] in [answer["seq"] for answer in answers if answer["type"] == "result"]


def test_a_turned_phone_is_told_to_draw_again(serve_live: Serve) -> None:
    served = serve_live()
    with Tab(served.url, "camera") as tab:
        tab.track(frame(0))
        tab.ask("add", box=box(0))
        turned = np.ascontiguousarray(np.rot90(frame(1)))
        assert tab.track(turned)["targets"] == []
        assert "draw the targets again" in next(message for message in tab.heard if message["type"] == "error")["message"]
        assert tab.track(turned)["notice"] == ""


def test_two_cameras_do_not_disturb_each_other(serve_live: Serve) -> None:
    served = serve_live()
    with Tab(served.url, "camera") as one, Tab(served.url, "camera") as two:
        assert one.welcome["session"] != two.welcome["session"]
        for tab, start in ((one, 0), (two, 20)):
            tab.track(frame(start))
            tab.ask("add", box=box(start))
        for i in range(1, 5):
            assert overlap(one.track(frame(i))["targets"][0], i) > 0.6
            assert overlap(two.track(frame(20 + i))["targets"][0], 20 + i) > 0.6


def test_a_full_disk_is_told_and_the_video_goes_on(serve_live: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    served = serve_live(out=tmp_path / "file" / "out")
    with Tab(served.url, "camera") as tab:
        tab.track(frame(0))
        assert "cannot be written" in tab.ask("add", box=box(0))["message"]
        assert "cannot be" in tab.ask("screenshot")["message"]
        assert tab.track(frame(1))["targets"] == []


# Who may come in.


def test_on_this_machine_only_its_own_names_and_pages_are_answered(serve_live: Serve) -> None:
    served = serve_live()
    port = served.port
    assert get(served, host_=f"localhost:{port}")[0] == 200
    status, headers, body = get(served, host_=f"evil.example:{port}")
    assert (status, b"127.0.0.1" in body) == (403, True)
    assert "set-cookie" not in headers
    own, other = f"http://127.0.0.1:{port}", "http://evil.example"
    assert knock(served, origin=own) == 101
    for headers in ({}, {"origin": other}, {"origin": "null"}, {"origin": own, "host_": f"evil.example:{port}"}):
        assert knock(served, **headers) == 403
    with pytest.raises(InvalidStatus):
        Tab(served.url, "camera", origin=other)


def test_elsewhere_the_token_opens_the_page_and_the_cookie_the_rest(serve_live: Serve) -> None:
    served = serve_live(host="0.0.0.0", token=TOKEN)
    assert served.url.endswith(f"/?token={TOKEN}")
    own = f"http://127.0.0.1:{served.port}"
    wrong = {"cookie": f"siamtrack-{served.port}=wrong"}
    for path in ("/", "/live.js", "/about", "/sessions/server/results.zip", "/?token=", "/?token=wrong", f"/?token={TOKEN}x"):
        for headers in ({}, wrong):
            status, answer, body = get(served, path, **headers)
            assert status == 403, path
            assert "set-cookie" not in answer
            assert b"token" in body
            assert TOKEN.encode() not in body
    status, answer, _ = get(served, f"/?token={TOKEN}")
    assert status == 200
    cookie, *flags = answer["set-cookie"].split("; ")
    assert cookie == f"siamtrack-{served.port}={TOKEN}"
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(flags)
    for path in ("/", "/live.js", "/about"):
        assert get(served, path, cookie=cookie)[0] == 200
    assert knock(served, origin=own) == 403
    assert knock(served, origin=own, **wrong) == 403
    assert knock(served, "/ws?token=wrong", origin=own) == 403
    assert knock(served, origin=own, cookie=cookie) == 101
    assert knock(served, origin="http://evil.example", cookie=cookie) == 403
    with Tab(served.url.replace(served.host, f"127.0.0.1:{served.port}"), "camera") as tab:
        assert tab.track(frame(0))["targets"] == []


# What goes wrong.


def bad_messages(tab: Tab) -> list[str | bytes]:
    good = rendered_frame(0)[0]
    ok, png = cv2.imencode(".png", good)
    assert ok
    return [
        "garbage",
        b"garbage",
        b"",
        "",
        "{}",
        '{"type":"add","box":[NaN,0,5,5]}',
        '{"type":"hello","version":1,"mode":"camera"}',
        b"\x00\x00\x00\x09" + bytes(png),
        b"\x00\x00\x00\x09\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + bytes(500) + b"\xff\xd9",
    ]


def test_every_bad_message_gets_an_answer_and_the_good_ones_go_on(serve_live: Serve) -> None:
    served = serve_live()
    with Tab(served.url, "camera") as bad, Tab(served.url, "camera") as good:
        good.track(frame(0))
        good.ask("add", box=box(0))
        for place, message in enumerate(bad_messages(bad)):
            bad.socket.send(message)
            error = bad.wait("error")
            assert error["about"] == "message"
            assert "\n" not in error["message"]
            assert overlap(good.track(frame(place + 1))["targets"][0], place + 1) > 0.6
            time.sleep(0.4)  # now and then: no reason to close
        assert bad.track(frame(0))["targets"] == []


def test_who_goes_on_with_bad_messages_is_closed(serve_live: Serve) -> None:
    served = serve_live()
    with Tab(served.url, "camera") as bad:
        with suppress(ConnectionClosed):
            for _ in range(40):
                bad.socket.send("garbage")
        assert closed(bad) == 4000
        assert 5 <= len([message for message in bad.heard if message["type"] == "error"]) <= 15


def test_a_message_beyond_the_limit_closes_its_own_connection_only(serve_live: Serve) -> None:
    served = serve_live()
    with Tab(served.url, "camera") as bad, Tab(served.url, "camera") as good:
        with suppress(ConnectionClosed):
            bad.socket.send(bytes(5 * 2**20))
        assert closed(bad) in (1009, None)  # whoever still sends may lose the close message to a reset
        assert good.track(frame(0))["targets"] == []


@pytest.mark.parametrize(
    "hello", ["garbage", '{"type":"ack","seq":1}', '{"type":"hello","version":99,"mode":"camera"}', b"\0" * 50]
)
def test_a_first_message_other_than_hello_is_refused(serve_live: Serve, hello: str | bytes) -> None:
    served = serve_live()
    with Tab(served.url, None) as tab:
        tab.socket.send(hello)
        assert tab.wait("refused")["message"]
        assert closed(tab) == 4002


def test_who_says_nothing_is_not_waited_for(serve_live: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HELLO_S", 0.2)
    served = serve_live()
    with Tab(served.url, None) as tab:
        assert tab.wait("refused")["message"] == "no hello came within 0.2 s"
        assert closed(tab) == 4002


def test_without_a_video_of_its_own_the_server_says_so(serve_live: Serve) -> None:
    served = serve_live()
    with Tab(served.url, None) as tab:
        tab.say("hello", version=1, mode="source")
        assert "no video of its own" in tab.wait("refused")["message"]
    assert json.loads(get(served, "/about")[2])["source"] == ""


def test_there_is_a_limit_on_connections(serve_live: Serve) -> None:
    served = serve_live(max_clients=3)
    with ExitStack() as stack:
        tabs = [stack.enter_context(Tab(served.url, "camera")) for _ in range(3)]
        with Tab(served.url, None) as fourth:
            assert "too many tabs" in fourth.wait("refused")["message"]
        tabs.pop().close()
        time.sleep(0.5)
        with Tab(served.url, "camera") as fourth:
            assert fourth.track(frame(0))["targets"] == []


def test_fifty_at_once_of_whom_some_misbehave(serve_live: Serve, write_clip: Callable[..., Path], tmp_path: Path) -> None:
    served = serve_live(source=write_clip(tmp_path / "long.mp4", frames=60))
    with ExitStack() as stack:
        good = [stack.enter_context(Tab(served.url, "source")) for _ in range(20)]
        silent = [stack.enter_context(Tab(served.url, None)) for _ in range(10)]
        deaf = [stack.enter_context(Tab(served.url, "source")) for _ in range(10)]
        rude = [stack.enter_context(Tab(served.url, "source")) for _ in range(10)]
        for tab in deaf:
            tab.acknowledges = False
        good[0].picture()
        good[0].ask("add", box=box(0))
        good[0].say("pause", on=False)
        for round_ in range(12):
            for tab in good:
                tab.hear_for(0.02)
            for place, tab in enumerate(rude):
                try:
                    for _ in range(3):
                        tab.socket.send(
                            ["garbage", b"\xff\xd8garbage", '{"type":"ping","t":1}', "[" * 3000][(place + round_) % 4]
                        )
                except ConnectionClosed:
                    continue
        for tab in good:
            while not tab.pictures or tab.pictures[-1][0]["scene"]["index"] < 59:
                tab.picture(timeout_s=30)
            assert len(tab.pictures) >= 10
            assert overlap(tab.pictures[-1][0]["scene"]["targets"][0], 59) > 0.5
        assert all(tab.socket.recv(timeout=5) for tab in deaf)
        assert len(silent) == 10
    served.stop()
    assert [int(row["frame"]) for row in rows(served.out / "server" / "target-1")] == list(range(60))


# Beginning and ending.


def test_a_taken_port_is_named_with_the_way_out(serve_live: Serve, tmp_path: Path) -> None:
    served = serve_live()
    with pytest.raises(ValueError, match=rf"port {served.port} of 127.0.0.1 is taken .* --port") as caught:
        LiveServer(ServerSettings(tmp_path, port=served.port), no_session)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "port", "way_out"),
    [("198.51.100.7", 0, "--host 127"), ("no-such-host.invalid", 0, "--host 127"), ("127.0.0.1", 99999, "leave out --port")],
)
def test_an_address_that_is_not_ours_is_refused_in_one_line(tmp_path: Path, host: str, port: int, way_out: str) -> None:
    with pytest.raises(ValueError, match=way_out):
        LiveServer(ServerSettings(tmp_path, host=host, port=port), no_session)


def test_a_video_that_is_not_there_leaves_the_port_free(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match=r"nothing\.mp4"):
            LiveServer(ServerSettings(tmp_path, source=str(tmp_path / "nothing.mp4"), port=port), no_session)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "websockets", None)
    with pytest.raises(SiamtrackError, match=r"pip install 'siamtrack\[live\]'"):
        LiveServer(ServerSettings(tmp_path, port=0), no_session)


PROGRAM = """
import sys
from pathlib import Path
import siamtrack
from siamtrack.live.server import ServerSettings, serve
from siamtrack.live.session import Session
from siamtrack.video.source import Frame, Source
tracker = siamtrack.load("siamfc", device="cpu", precision="float32")
source = sys.argv[2] if len(sys.argv) > 2 else None
serve(
    ServerSettings(Path(sys.argv[1]), source, port=0),
    lambda out, source, fps: Session(tracker.engine, tracker.config, out, source, fps),
    lambda url: print(url, flush=True),
)
print("done", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_with_every_result_written(tmp_path: Path, clip: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "out"), str(clip)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with Tab(url, "source") as own, Tab(url, "camera") as tab:
            own.picture()
            own.ask("add", box=box(0))
            own.say("step")
            own.picture()
            tab.track(frame(0))
            tab.ask("add", box=box(0))
            tab.ask("record", on=True)
            for i in range(1, 4):
                tab.track(frame(i))
            tab.film(frame(4))
            process.send_signal(number)
            began = time.monotonic()
            out, errors = process.communicate(timeout=20)
            assert time.monotonic() - began < 6
        assert (process.returncode, out, errors) == (0, "done\n", "")
    finally:
        process.kill()
    for folder, frames in ((tmp_path / "out/server/target-1", 2), (tmp_path / "out/browser-1/target-1", 4)):
        assert len(rows(folder)) >= frames
        assert json.loads((folder / "run.json").read_text())["ended"] == "the server was stopped"
    assert (tmp_path / "out/browser-1/recording-1.mp4").stat().st_size > 0
