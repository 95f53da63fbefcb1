"""Who may come in, and that those who misbehave harm nobody else: a real server and clients good and bad."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import pytest
from commands import frames_of
from webclient import Served, WebClient, box, closed, frame, get, knock, overlap
from websockets.exceptions import ConnectionClosed, InvalidStatus

from siamtrack.live.session import Session
from siamtrack.live.web import connection
from siamtrack.live.web.access import LONGEST_WAIT_S, OFFENCE, REQUESTS, REQUESTS_PER_S, Addresses, Allowance
from siamtrack.live.web.client import COMMON, COMMON_PER_S, MESSAGES, MESSAGES_PER_S, Client
from siamtrack.live.web.door import SMALL_FRAMES, Socket
from siamtrack.live.web.protocol import Hello
from siamtrack.live.web.sessions import Sessions
from siamtrack.tracking.tracker import Tracker

Serve = Callable[..., Served]

TOKEN = "a-token-of-32-letters-and-digits"


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
        WebClient(served.url, "camera", origin=other)


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
    with WebClient(served.url.replace(served.host, f"127.0.0.1:{served.port}"), "camera") as client:
        assert client.track(frame(0))["targets"] == []


def test_cookies_of_other_programs_on_this_host_do_not_hide_ours(serve_live: Serve) -> None:
    served = serve_live(host="0.0.0.0", token=TOKEN)
    ours = f"siamtrack-{served.port}={TOKEN}"
    for cookie in (f'prefs={{"theme":"dark"}}; {ours}', f"a b=c; {ours}; =;;", f"{ours};prefs=[1, 2]", f"{ours}"):
        assert get(served, "/live.js", cookie=cookie)[0] == 200
    assert get(served, "/live.js", cookie=f'prefs="{ours}"')[0] == 403


def test_no_other_page_can_change_anything(serve_live: Serve) -> None:
    served = serve_live()
    assert get(served, "/about", "POST")[0] == 403
    assert get(served, "/about", "POST", origin="http://evil.example")[0] == 403
    assert get(served, "/about", "POST", origin=served.url.rstrip("/"))[0] == 405


def test_connections_that_ask_for_nothing_keep_nobody_out(serve_live: Serve) -> None:
    served = serve_live(max_clients=4)
    with ExitStack() as stack:
        for i in range(40):
            half = stack.enter_context(socket.create_connection(("127.0.0.1", served.port)))
            half.sendall(b"GET / HTTP/1.1\r\nHost: " if i % 2 else b"")
        assert get(served)[0] == 200
        with WebClient(served.url, "camera") as client:
            assert client.track(frame(0))["targets"] == []


def test_requests_of_an_address_wait_for_each_other_and_for_nobody_else() -> None:
    now = [0.0]
    addresses = Addresses(lambda: now[0])
    for _ in range(int(REQUESTS)):
        assert addresses.of("10.0.0.1").wait_s == 0
        addresses.of("10.0.0.1").use(1)
    addresses.of("10.0.0.1").use(1)
    assert addresses.of("10.0.0.1").wait_s == pytest.approx(1 / REQUESTS_PER_S)
    for _ in range(9):  # closed for bad messages, again and again
        addresses.of("10.0.0.1").use(OFFENCE)
    assert (addresses.of("10.0.0.1").wait_s, addresses.of("10.0.0.2").wait_s) == (LONGEST_WAIT_S, 0)
    now[0] = LONGEST_WAIT_S
    assert addresses.of("10.0.0.1").wait_s == 0


def test_of_fifty_who_send_without_end_none_is_read_beyond_its_share() -> None:
    class Endless:
        """A WebSocket whose client talks all the time, or only when it has been given something to say."""

        def __init__(self, talks: bool) -> None:
            self.read = 0
            self.said = asyncio.Event()
            self.talks = talks

        async def receive(self) -> dict[str, Any]:
            if not self.talks:
                await self.said.wait()
                self.said.clear()
            self.read += 1
            return {"type": "websocket.receive", "text": '{"type":"ping","t":1}'}

    class Talk(connection.Connection):
        async def _greet(self) -> Any:
            return SimpleNamespace(session=None)

    async def talk() -> tuple[list[int], int]:
        sockets = [Endless(talks=True) for _ in range(50)]
        good = Endless(talks=False)
        talks = [Talk(one, Client(one), None) for one in (*sockets, good)]  # type: ignore[arg-type]
        tasks = [asyncio.create_task(one.read()) for one in talks]
        for said in range(int(MESSAGES)):  # the good one is read within a few rounds of the loop, whoever else is there
            good.said.set()
            for _ in range(4):
                await asyncio.sleep(0)
            assert good.read == said + 1
        for task in tasks:
            task.cancel()
        return [one.read for one in sockets], good.read

    with ThreadPoolExecutor(1) as pool:  # Playwright, once started, keeps a loop running in this one
        flooding, good = pool.submit(asyncio.run, talk()).result()
    assert good == MESSAGES
    assert max(flooding) < 1.5 * MESSAGES


def test_all_who_flood_the_server_share_what_one_alone_may_use() -> None:
    now = [0.0]
    common = Allowance(COMMON_PER_S, COMMON, clock=lambda: now[0])

    def used(count: int, seconds: int, per_s: float) -> int:
        """Messages of all that are read, if each of so many has so many a second."""
        each, read = [Allowance(MESSAGES_PER_S, MESSAGES, clock=lambda: now[0], common=common) for _ in range(count)], 0
        for _ in range(round(seconds * per_s)):
            for one in each:
                if one.wait_s == 0:
                    one.use(1)
                    read += 1
            now[0] += 1 / per_s
        return read

    assert used(1, 10, 60.0) == 600, "a key is held down"
    now[0] += COMMON / COMMON_PER_S
    most = 50 * (MESSAGES + 10 * MESSAGES_PER_S) + COMMON + 10 * COMMON_PER_S
    assert 0.9 * most < used(50, 10, 100.0) < 1.1 * most
    now[0] += COMMON / COMMON_PER_S
    assert used(1, 10, 60.0) == 600


def say_hello(served: Served, mode: str = "camera") -> WebClient:
    """A client that has said hello, and hears nothing of the answer."""
    client = WebClient(served.url, None)
    client.say("hello", version=1, mode=mode)
    return client


def test_a_long_first_message_is_refused_by_its_first_bytes(serve_live: Serve) -> None:
    served = serve_live()
    with WebClient(served.url, None) as mute:
        mute.socket.socket.sendall(b"\x82\xff" + (2**22).to_bytes(8, "big"))  # says how long it is, and no more
        assert closed(mute) == 1009
    with WebClient(served.url, "camera") as good:
        assert good.track(frame(0))["targets"] == []


def test_who_sends_frames_that_say_nothing_is_closed(serve_live: Serve) -> None:
    served = serve_live()
    small = {"ping": b"\x89", "pong": b"\x8a", "part": b"\x00"}
    for kind, head in small.items():
        with WebClient(served.url, "camera") as client:
            begin = b"\x02\x80\0\0\0\0" if kind == "part" else b""
            client.socket.socket.sendall(begin + (head + b"\x80\0\0\0\0") * (int(SMALL_FRAMES) + 20))
            assert closed(client) == 1008, kind


def test_of_a_client_that_was_refused_no_more_is_read(serve_live: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    taken = Socket.data_received

    def count(self: Socket, data: bytes) -> None:
        read.append(len(data))
        taken(self, data)

    monkeypatch.setattr(Socket, "data_received", count)
    served = serve_live()
    with socket.create_connection(("127.0.0.1", served.port), 10) as raw:  # answers nothing, not even the closing
        opening = f"GET /ws HTTP/1.1\r\nHost: {served.host}\r\nOrigin: http://{served.host}\r\nUpgrade: websocket\r\n"
        key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        raw.sendall(f"{opening}Connection: Upgrade\r\n{key}\r\n".encode())
        assert raw.recv(4096)
        raw.sendall(b"\x81\x82\0\0\0\0{}")
        assert b"refused" in raw.recv(4096)
        raw.settimeout(1.0)
        with suppress(OSError):  # nobody reads
            for _ in range(400):
                raw.sendall(b"\x81\x82\0\0\0\0{}" * 2**12)
    assert sum(read) < 2**17


def test_who_talks_and_goes_leaves_his_place_at_once(serve_live: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CLOSE_S", 0.1)
    served = serve_live(max_clients=1)
    talker = say_hello(served)
    talker.socket.socket.sendall(b'\x81\x95\0\0\0\0{"type":"ping","t":1}' * 300)  # a minute's reading
    talker.socket.socket.shutdown(socket.SHUT_RDWR)
    answer, until = "", time.monotonic() + 15
    while answer != "welcome" and time.monotonic() < until:
        with suppress(ConnectionClosed), say_hello(served) as client:
            answer = client.wait(("welcome", "refused"))["type"]
    assert answer == "welcome"
    talker.close()


def test_the_page_comes_over_https_with_a_certificate_of_its_own(serve_live: Serve, tmp_path: Path) -> None:
    served = serve_live(host="0.0.0.0", token=TOKEN, https=True)
    assert served.url.startswith("https://")
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", served.port, timeout=20, context=trusting)
    connection.request("GET", f"/?token={TOKEN}")
    answer = connection.getresponse()
    assert answer.status == 200
    assert "Secure" in answer.headers["set-cookie"]
    assert isinstance(connection.sock, ssl.SSLSocket)
    shown = hashlib.sha256(connection.sock.getpeercert(binary_form=True) or b"").digest().hex(":").upper()
    assert shown == served.server.fingerprint
    address = f"https://127.0.0.1:{served.port}/?token={TOKEN}"
    with WebClient(address, "camera", ssl=trusting) as client:
        assert client.track(frame(0))["targets"] == []
    (tmp_path / "no.pem").write_text("no certificate")
    with pytest.raises(ValueError, match=r"no\.pem is no PEM file"):
        serve_live(certificate=tmp_path / "no.pem")


def bad_messages(client: WebClient) -> list[str | bytes]:
    good = frame(0)
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
    with WebClient(served.url, "camera") as bad, WebClient(served.url, "camera") as good:
        good.track(frame(0))
        good.ask("add", box=box(0))
        for place, message in enumerate(bad_messages(bad)):
            bad.socket.send(message)
            error = bad.wait("error")
            assert error["about"] == "message"
            assert "\n" not in error["message"]
            assert overlap(good.track(frame(place + 1))["targets"][0], place + 1) > 0.6
        assert bad.track(frame(0))["targets"] == []


def test_who_goes_on_with_bad_messages_is_closed(serve_live: Serve) -> None:
    served = serve_live()
    with WebClient(served.url, "camera") as bad:
        with suppress(ConnectionClosed):
            for _ in range(40):
                bad.socket.send("garbage")
        assert closed(bad) == 4000
        assert 5 <= len([message for message in bad.heard if message["type"] == "error"]) <= 15


def test_a_message_beyond_the_limit_closes_its_own_connection_only(serve_live: Serve) -> None:
    served = serve_live()
    with WebClient(served.url, "camera") as bad, WebClient(served.url, "camera") as good:
        with suppress(ConnectionClosed):
            bad.socket.send(bytes(5 * 2**20))
        assert closed(bad) in (1009, None)  # whoever still sends may lose the close message to a reset
        assert good.track(frame(0))["targets"] == []


def test_a_first_message_other_than_hello_is_refused(serve_live: Serve) -> None:
    served = serve_live()
    for hello in ("garbage", '{"type":"ack","seq":1}', '{"type":"hello","version":99,"mode":"camera"}', b"\0" * 50):
        with WebClient(served.url, None) as client:
            client.socket.send(hello)
            assert client.wait("refused")["message"]
            assert closed(client) == (4000 if isinstance(hello, bytes) else 4002)


def test_who_says_nothing_is_not_waited_for(serve_live: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HELLO_S", 0.2)
    served = serve_live()
    with WebClient(served.url, None) as client:
        assert client.wait("refused")["message"] == "no hello came within 0.2 s"
        assert closed(client) == 4002


def test_without_a_video_of_its_own_the_server_says_so(serve_live: Serve) -> None:
    served = serve_live()
    with WebClient(served.url, None) as client:
        client.say("hello", version=1, mode="source")
        assert "no video of its own" in client.wait("refused")["message"]
    assert json.loads(get(served, "/about")[2])["source"] == ""


def test_there_is_a_limit_on_connections(serve_live: Serve) -> None:
    served = serve_live(max_clients=3)
    with ExitStack() as stack:
        clients = [stack.enter_context(WebClient(served.url, "camera")) for _ in range(3)]
        with WebClient(served.url, None) as fourth:
            assert "too many pages" in fourth.wait("refused")["message"]
        clients.pop().close()
        time.sleep(0.5)
        with WebClient(served.url, "camera") as fourth:
            assert fourth.track(frame(0))["targets"] == []


def test_one_address_has_half_of_the_sessions(tracker: Tracker, tmp_path: Path) -> None:
    def make_session(out: Path, source: str, fps: float) -> Session:
        return Session(tracker.backend, tracker.config, out, source, fps)

    sessions = Sessions(tmp_path, make_session, None, 60.0, 4, None)  # type: ignore[arg-type]
    hello = Hello(1, "camera")
    stays, goes = (sessions.find(hello, "10.0.0.1")[0] for _ in range(2))
    for one in (stays, goes):
        one.clients.add(Client(None))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="busy: 2 videos"):
        sessions.find(hello, "10.0.0.1")
    other = sessions.find(hello, "10.0.0.2")[0]
    goes.clients.clear()
    again, resumed = sessions.find(hello, "10.0.0.1")
    assert not resumed
    assert again not in (stays, goes)
    assert sessions.find(Hello(1, "camera", other.name), "10.0.0.1") == (other, True), "a phone may change its address"
    sessions.close()


@pytest.mark.slow
def test_fifty_at_once_of_whom_some_misbehave(serve_live: Serve, write_clip: Callable[..., Path], tmp_path: Path) -> None:
    # At 10 frames a second a busy machine, too, has the time to show each client some of them.
    served = serve_live(source=write_clip(tmp_path / "long.mp4", frames=30, fps=10))
    with ExitStack() as stack:
        good = [stack.enter_context(WebClient(served.url, "source")) for _ in range(20)]
        silent = [stack.enter_context(WebClient(served.url, None)) for _ in range(10)]
        deaf = [stack.enter_context(WebClient(served.url, "source")) for _ in range(10)]
        rude = [stack.enter_context(WebClient(served.url, "source")) for _ in range(10)]
        for client in deaf:
            client.acknowledges = False
        good[0].picture()
        good[0].ask("add", box=box(0))
        good[0].say("pause", on=False)
        for round_ in range(6):
            for client in good:
                client.hear_for(0.02)
            for place, client in enumerate(rude):
                try:
                    for _ in range(3):
                        client.socket.send(
                            ["garbage", b"\xff\xd8garbage", '{"type":"ping","t":1}', "[" * 3000][(place + round_) % 4]
                        )
                except ConnectionClosed:
                    continue
        for client in good:
            while not client.pictures or client.pictures[-1][0]["scene"]["index"] < 29:
                client.picture(timeout_s=30)
            assert len(client.pictures) >= 10
            assert overlap(client.pictures[-1][0]["scene"]["targets"][0], 29) > 0.5
        assert all(client.socket.recv(timeout=5) for client in deaf)
        assert len(silent) == 10
    served.stop()
    assert frames_of(served.out / "server" / "target-1") == list(range(30))
