"""The server from its beginning to its end: a real one on a loopback port, and what it writes."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
from webclient import Served, get

from siamtrack.errors import SiamtrackError
from siamtrack.live.session import Session
from siamtrack.live.web.server import LiveServer
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
        LiveServer(tmp_path, no_session, no_session, port=served.port)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "port", "way_out"),
    [("198.51.100.7", 0, "--host 127"), ("no-such-host.invalid", 0, "--host 127"), ("127.0.0.1", 99999, "leave out --port")],
)
def test_an_address_that_is_not_ours_is_refused_in_one_line(tmp_path: Path, host: str, port: int, way_out: str) -> None:
    with pytest.raises(ValueError, match=way_out):
        LiveServer(tmp_path, no_session, no_session, host=host, port=port)


def test_a_video_that_is_not_there_leaves_the_port_free(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match=r"nothing\.mp4"):
            LiveServer(tmp_path, no_session, no_session, source=str(tmp_path / "nothing.mp4"), port=port)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "websockets", None)
    with pytest.raises(SiamtrackError, match=r"pip install '\.\[live\]'"):
        LiveServer(tmp_path, no_session, no_session, port=0)
