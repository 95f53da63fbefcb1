"""`siamtrack live` without a screen: what a user sees, and what is left when it ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from commands import Command, environment, frames_of, refused, rows_of, wait_until
from webclient import WebClient, box, frame

from siamtrack.boxes import Box
from siamtrack.live.web.server import LiveServer
from siamtrack.live.window.live_window import LiveWindow
from siamtrack.live.window.track_window import TrackWindow
from siamtrack.tracking.decode import Decoder

BOX = ",".join(str(value) for value in box(0))


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory, write_clip: Callable[..., Path]) -> Path:
    """A clip that lasts a minute at its own speed."""
    return write_clip(tmp_path_factory.mktemp("long") / "long.mp4", frames=360, fps=6)


@contextmanager
def running(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "siamtrack", "live", *map(str, arguments)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**environment(), "PYTHONUNBUFFERED": "1"}
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_file_is_followed_without_a_screen(here: Command, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "live"
    result = here("live", "--source", clip, "--box", BOX, "--box", "2,3,50,40", "--out", out, "--record")
    assert result.returncode == 0, result.stderr
    for name in ("target-1", "target-2"):
        assert re.search(rf"^20 frames.*{re.escape(str(out / name / 'boxes.csv'))}$", result.stdout, re.MULTILINE)
        assert frames_of(out / name) == list(range(20))
    assert (out / "recording-1.mp4").stat().st_size > 1000


@pytest.mark.slow
def test_a_signal_ends_it_with_whole_results(long_clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "live"
    partial = out / "target-1" / "boxes.partial.csv"
    with running("--source", long_clip, "--box", BOX, "--out", out) as process:
        wait_until(lambda: partial.is_file() and len(partial.read_text().splitlines()) > 3)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    rows = rows_of(out / "target-1" / "boxes.csv")
    assert f"{len(rows)} frames" in output
    assert not partial.exists()
    assert json.loads((out / "target-1" / "run.json").read_text())["ended"] == "interrupted"


def test_where_there_is_no_screen_one_line_says_what_to_do(here: Command, clip: Path, tmp_path: Path) -> None:
    refused(here("live", "--source", clip, "--out", tmp_path / "live"), "no display", "--web", "--box")
    assert not (tmp_path / "live").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--source", "nothing.mp4", "--box", BOX), ("nothing.mp4", "not found")),
        (("--no-window",), ("--box",)),
        (("--port", "9000"), ("--web",)),
        (("--web", "--box", BOX), ("--web", "--box")),
        (("--source", "CLIP", "--box", "900,900,5,5"), ("outside",)),
        (("--source", "CLIP", "--box", "1,2,3"), ("box",)),
        (("--web", "--source", "nothing.mp4"), ("nothing.mp4", "not found")),
    ],
)
def test_what_cannot_be_is_one_line(
    here: Command, arguments: tuple[str, ...], words: tuple[str, ...], clip: Path, tmp_path: Path
) -> None:
    given = [clip if argument == "CLIP" else argument for argument in arguments]
    refused(here("live", *given, "--out", tmp_path / "live"), *words)


@pytest.mark.slow
@pytest.mark.parametrize(("host", "number"), [("127.0.0.1", signal.SIGINT), ("0.0.0.0", signal.SIGTERM)])
def test_the_page_is_served_where_it_says_and_a_signal_ends_it_with_whole_results(
    clip: Path, tmp_path: Path, host: str, number: signal.Signals
) -> None:
    out = tmp_path / "live"
    with running("--web", "--source", clip, "--host", host, "--port", 0, "--out", out) as process:
        assert process.stdout is not None
        found = re.search(r"Open http://(\S+):(\d+)/(\?token=\S+)? ", process.stdout.readline())
        assert found
        address, token = f"http://127.0.0.1:{found[2]}/", found[3] or ""
        assert bool(token) == (host != "127.0.0.1")
        if token:
            with pytest.raises(urllib.error.HTTPError) as refusal:
                urllib.request.urlopen(address, timeout=20)
            assert refusal.value.code == 403
        with urllib.request.urlopen(address + token, timeout=20) as page:
            assert b"<title>siamtrack live" in page.read()
        with WebClient(address + token, "source") as own, WebClient(address + token, "camera") as camera:
            own.picture()
            own.ask("add", box=box(0))
            own.say("step")
            own.picture()
            camera.track(frame(0))
            camera.ask("add", box=box(0))
            camera.ask("record", on=True)
            for i in range(1, 4):
                camera.track(frame(i))
            camera.film(frame(4))
            process.send_signal(number)
            _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    for folder, frames in ((out / "server/target-1", 2), (out / "browser-1/target-1", 4)):
        assert len(rows_of(folder / "boxes.csv")) >= frames
        assert json.loads((folder / "run.json").read_text())["ended"] == "the server was stopped"
    assert (out / "browser-1/recording-1.mp4").stat().st_size > 0


@pytest.mark.parametrize("how", ["page", "window", "select"])
def test_the_network_and_the_kernels_have_run_before_anybody_can_draw(
    how: str, here: Command, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    decode = Decoder.decode

    def decoded(*arguments: Any) -> Any:
        found = decode(*arguments)
        events.append("decoded")
        return found

    def told(*_: Any, **__: Any) -> Any:
        events.append("told")
        return Box(*box(0))

    monkeypatch.setattr(Decoder, "decode", decoded)
    monkeypatch.setattr("siamtrack.machine.display_problem", lambda: None)
    if how == "page":
        monkeypatch.setattr(LiveServer, "run", lambda server: server._socket.close())
        monkeypatch.setattr("siamtrack.cli.live.typer.echo", told)
        result = here("live", "--web", "--port", 0, "--out", tmp_path / "out")
    elif how == "window":
        monkeypatch.setattr(LiveWindow, "run", lambda _: told() and "done")
        result = here("live", "--source", clip, "--out", tmp_path / "out")
    else:
        monkeypatch.setattr(TrackWindow, "ask_box", told)
        result = here("track", clip, "--select", "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert events[: events.index("told")] == ["decoded"]
