"""The server from its beginning to its end: a real one on a loopback port, and what it writes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
from webtab import Served, Tab, box, frame, get, rows

from siamtrack.errors import SiamtrackError
from siamtrack.live.session import Session
from siamtrack.live.web.server import LiveServer, ServerSettings
from siamtrack.video.overlay import PALETTE

Serve = Callable[..., Served]


def no_session(out: Path, source: str, fps: float) -> Session:
    raise AssertionError("nothing should be tracked here")


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
    text = (Path(__file__).parents[3] / "setup.py").read_text("utf-8")
    assert '"assets/live*"' in text


def test_the_page_draws_targets_as_the_recordings_do() -> None:
    text = (resources.files("siamtrack") / "assets" / "live-picture.js").read_text("utf-8")
    named = re.search(r"PALETTE = (\[.*?\])", text)
    assert named
    assert json.loads(named[1]) == [f"#{red:02X}{green:02X}{blue:02X}" for blue, green, red in PALETTE]


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
    with pytest.raises(SiamtrackError, match=r"pip install '\.\[live\]'"):
        LiveServer(ServerSettings(tmp_path, port=0), no_session)


PROGRAM = """
import sys
from pathlib import Path
import siamtrack
from siamtrack.live.web.server import ServerSettings, serve
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
