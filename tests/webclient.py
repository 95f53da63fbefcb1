"""For tests of live servers: one in a thread, a client without a browser, requests, and the truth of rendered frames."""

from __future__ import annotations

import http.client
import json
import struct
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rendered import rendered_frame
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from siamtrack.boxes import iou
from siamtrack.live.capture import Captured
from siamtrack.live.scene import Scene
from siamtrack.live.session import Session
from siamtrack.live.web.jpeg import encode_jpeg
from siamtrack.live.web.server import LiveServer
from siamtrack.tracking.result import State

Header = dict[str, Any]

CORNER_WH = (100, 10)


class WatchedSession(Session):
    """A session that remembers the upper left corner of every frame it got.

    Attributes:
        lose: say of every target that it is lost.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.corners: dict[int, np.ndarray] = {}
        self.lose = False

    def step(self, frame: Captured) -> Scene:
        self.corners[frame.index] = frame.image[: CORNER_WH[1], : CORNER_WH[0], 1].copy()
        scene = super().step(frame)
        if not self.lose:
            return scene
        lost = [replace(one, result=replace(one.result, state=State.LOST)) for one in scene.targets]
        return replace(scene, targets=tuple(lost))


@dataclass
class Served:
    """A server that runs in a thread of the test."""

    server: LiveServer
    out: Path
    sessions: list[WatchedSession]
    thread: threading.Thread
    problems: list[BaseException] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def host(self) -> str:
        return self.url.split("/")[2]

    @property
    def port(self) -> int:
        return int(self.host.rpartition(":")[2])

    def stop(self) -> None:
        self.server.stop()
        self.thread.join(15)
        assert not self.thread.is_alive(), "the server did not stop"
        problems, self.problems = self.problems, []
        assert problems == []


class WebClient:
    """One connection; `with` closes it.

    Attributes:
        welcome: what the server said first.
        heard: every text since.
        pictures: headers of the pictures, and their JPEGs.
    """

    def __init__(self, url: str, mode: str | None, session: str = "", **options: Any) -> None:
        at = url.split("?")
        query = f"?{at[1]}" if len(at) > 1 else ""
        settings = {
            "origin": at[0].rstrip("/"),
            "open_timeout": 20,
            "close_timeout": 0.05,  # one that has unread messages never sees the answer
            "max_size": None,
            "compression": None,
            **options,
        }
        self._open = ExitStack()
        address = at[0].replace("http", "ws", 1) + "ws" + query
        self.socket: ClientConnection = self._open.enter_context(connect(address, **settings))
        self.heard: list[dict[str, Any]] = []
        self.pictures: list[tuple[Header, bytes]] = []
        self.acknowledges = True
        self.seq = 0
        self.welcome: dict[str, Any] = {}
        if mode is not None:
            self.say("hello", version=1, mode=mode, session=session)
            self.welcome = self.wait("welcome")

    def say(self, kind: str, **values: Any) -> None:
        self.socket.send(json.dumps({"type": kind, **values}))

    def film(self, frame: np.ndarray, quality: int = 90) -> int:
        """Send a picture; its number."""
        self.seq += 1
        self.socket.send(struct.pack(">I", self.seq) + encode_jpeg(frame, 4096, quality))  # type: ignore[arg-type]
        return self.seq

    def track(self, frame: np.ndarray) -> dict[str, Any]:
        """Send a picture and wait for its scene."""
        seq = self.film(frame)
        return self.wait("result", lambda message: message["seq"] == seq)["scene"]

    def ask(self, kind: str, **values: Any) -> dict[str, Any]:
        """Ask for something and wait for how it went."""
        self.say(kind, **values)
        return self.wait(("done", "error"), lambda message: message["about"] == kind)

    def wait(
        self, kind: str | tuple[str, ...], which: Callable[[dict[str, Any]], bool] = lambda _: True, timeout_s: float = 20
    ) -> dict[str, Any]:
        """The next text of a kind."""
        until = time.monotonic() + timeout_s
        while True:
            message = self.hear(until - time.monotonic())
            if message is not None and message["type"] in kind and which(message):
                return message

    def picture(self, which: Callable[[Header], bool] = lambda _: True, timeout_s: float = 20) -> Header:
        """The next picture's header."""
        until = time.monotonic() + timeout_s
        while True:
            if self.hear(until - time.monotonic()) is None and which(self.pictures[-1][0]):
                return self.pictures[-1][0]

    def hear(self, timeout_s: float = 20) -> dict[str, Any] | None:
        """The next message; None for a picture, which is kept."""
        data = self.socket.recv(timeout=max(0.0, timeout_s))
        if isinstance(data, str):
            self.heard.append(json.loads(data))
            return self.heard[-1]
        (length,) = struct.unpack(">I", data[:4])
        header = json.loads(data[4 : 4 + length])
        self.pictures = [*self.pictures[-200:], (header, data[4 + length :])]
        if self.acknowledges:
            self.say("ack", seq=header["seq"])
        return None

    def hear_for(self, seconds: float) -> None:
        """Take everything that comes for some time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                self.hear(left)
            except TimeoutError:
                return

    def close(self) -> None:
        self._open.close()

    def __enter__(self) -> WebClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def box(index: int) -> list[float]:
    return [float(value) for value in rendered_frame(index)[1]]


def frame(index: int) -> np.ndarray:
    return rendered_frame(index)[0]


def overlap(target: dict[str, Any], index: int) -> float:
    return float(iou(np.array(target["box"]), np.array(box(index))))


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


def closed(client: WebClient) -> int | None:
    """The code that a connection was closed with, after all that was told before; None if it was cut off."""
    with pytest.raises(ConnectionClosed) as caught:
        client.hear_for(10)
    return int(caught.value.rcvd.code) if caught.value.rcvd is not None else None
