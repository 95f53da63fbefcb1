"""The live page in Firefox, spoken to by WebDriver BiDi: a dropped file is tracked, and its clip plays."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from rendered import rendered_frame
from webclient import Served
from websockets.sync.client import connect

pytestmark = pytest.mark.slow

DROP = """(() => {
  const bytes = Uint8Array.from(atob("%s"), (letter) => letter.charCodeAt(0)), transfer = new DataTransfer();
  transfer.items.add(new File([bytes], "dropped.mp4", {type: "video/mp4"}));
  const drop = new DragEvent("drop", {bubbles: true, cancelable: true, dataTransfer: transfer});
  document.getElementById("stage").dispatchEvent(drop);
})()"""
PLAYS = """new Promise((resolve) => {
  const video = document.createElement("video");
  video.onloadeddata = () => resolve(`${video.videoWidth}x${video.videoHeight}`);
  video.onerror = () => resolve(video.error.message);
  video.src = document.querySelector("#say a").href;
})"""
FRAMES = 20


class Firefox:
    """A page of a Firefox without a screen.

    Attributes:
        errors: that the page told of.
    """

    def __init__(self, program: str, profile: Path) -> None:
        self._open = ExitStack()
        arguments = ["--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
        process = subprocess.Popen(
            [program, *arguments], stderr=subprocess.PIPE, text=True, env={**os.environ, "HOME": str(profile)}
        )
        self._open.callback(process.wait, 20)
        self._open.callback(process.terminate)
        assert process.stderr is not None
        self._open.callback(process.stderr.close)
        address = next(found[0] for line in process.stderr if (found := re.search(r"ws://\S+", line)))
        self._socket = self._open.enter_context(connect(f"{address}/session", max_size=None, close_timeout=1))
        self._numbers, self.errors = count(1), list[str]()
        self.call("session.new", capabilities={})
        self.call("session.subscribe", events=["log.entryAdded"])
        self._page = {"context": self.call("browsingContext.getTree")["contexts"][0]["context"]}
        self.call("browsingContext.setViewport", **self._page, viewport={"width": 1280, "height": 860})

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": values}))
        while (answer := json.loads(self._socket.recv(timeout=60))).get("id") != number:
            if answer.get("method") == "log.entryAdded" and answer["params"]["level"] == "error":
                self.errors.append(answer["params"]["text"])
        assert answer["type"] == "success", answer
        return dict(answer["result"])

    def open(self, url: str) -> None:
        self.call("browsingContext.navigate", **self._page, url=url, wait="complete")

    def run(self, script: str) -> Any:
        done = self.call("script.evaluate", expression=script, target=self._page, awaitPromise=True)
        return done["result"].get("value")

    def until(self, script: str, timeout_s: float = 60) -> None:
        until = time.monotonic() + timeout_s
        while not self.run(script):
            assert time.monotonic() < until, (script, self.run("document.body.innerText"), self.errors)
            time.sleep(0.1)

    def drag(self, *points: tuple[int, int]) -> None:
        moves = [{"type": "pointerMove", "x": x, "y": y, "duration": 20} for x, y in points]
        steps = [moves[0], {"type": "pointerDown", "button": 0}, *moves[1:], {"type": "pointerUp", "button": 0}]
        pointer = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": steps}
        self.call("input.performActions", **self._page, actions=[pointer])

    def close(self) -> None:
        self._open.close()


@pytest.fixture
def firefox(tmp_path: Path) -> Iterator[Firefox]:
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        pytest.skip("no Firefox is installed: apt-get install firefox-esr")
    profile = tmp_path / "profile"
    profile.mkdir()
    browser = Firefox(program, profile)
    yield browser
    with suppress(OSError):
        browser.close()


def test_a_dropped_file_is_tracked_and_its_clip_plays(
    serve_live: Callable[..., Served], firefox: Firefox, write_clip: Callable[..., Path], tmp_path: Path
) -> None:
    size_wh = (480, 240)
    firefox.open(serve_live().url)
    data = write_clip(tmp_path / "clip.mp4", frames=FRAMES, size_wh=size_wh).read_bytes()
    firefox.run(DROP % base64.b64encode(data).decode())
    firefox.until("!document.getElementById('pause').disabled && document.getElementById('cover').hidden")
    picture = "document.getElementById('picture').getBoundingClientRect()"
    left, top, width = (firefox.run(f"{picture}.{side}") for side in ("left", "top", "width"))
    x, y, w, h = rendered_frame(0, size_wh)[1]
    scale = width / size_wh[0]
    corners = [(round(left + scale * at_x), round(top + scale * at_y)) for at_x, at_y in ((x, y), (x + w, y + h))]
    firefox.drag(corners[0], corners[1])
    firefox.until("document.querySelectorAll('#targets li').length == 1")
    firefox.run("document.getElementById('pause').click()")
    firefox.until(f"Number(document.getElementById('at').value) == {FRAMES - 1}")
    assert firefox.run("document.querySelector('#targets li').innerText.toLowerCase().includes('tracking')")
    firefox.run("document.getElementById('record').click()")
    firefox.until("document.getElementById('say').textContent.includes('clip is written')")
    assert firefox.run(PLAYS) == "480x240"
    assert firefox.errors == []
