"""`siamtrack live`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from siamtrack.cli import options
from siamtrack.cli.terminal import Signals, interrupt, note
from siamtrack.machine import display_problem, require_display
from siamtrack.models import DEFAULT_MODEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from siamtrack.boxes import Box
    from siamtrack.live.capture import Capture
    from siamtrack.live.film import Film
    from siamtrack.live.scene import Scene
    from siamtrack.live.session import Session
    from siamtrack.tracking.tracker import Tracker
    from siamtrack.video.source import Source


def live(
    source: Annotated[
        str | None,
        typer.Option(
            metavar="CAMERA|FILE|URL", help="Camera (0, /dev/video0), video file, image folder, or stream URL. Default: 0."
        ),
    ] = None,
    web: Annotated[
        bool, typer.Option("--web", help="Show it in a browser; without --source with the browser's own camera.")
    ] = False,
    box: Annotated[
        list[str] | None,
        typer.Option(metavar="X,Y,W,H", help="A target in the first frame, 0-based pixels; may be repeated."),
    ] = None,
    window: Annotated[bool, typer.Option("--window/--no-window", help="Show a window; --no-window needs --box.")] = True,
    out: Annotated[Path, typer.Option(help="Folder for results, recordings, screenshots; nothing in it is replaced.")] = Path(
        "siamtrack-live"
    ),
    record: Annotated[bool, typer.Option("--record", help="Record from the first frame on.")] = False,
    host: Annotated[str, typer.Option(help="With --web: address to listen on. Any but this machine's own needs a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="With --web: port; 0 takes a free one.")] = 8765,
    token: Annotated[
        str | None,
        typer.Option(help="With --web: the token that clients must give; `new` makes one. Default: made where one is needed."),
    ] = None,
    https: Annotated[
        bool, typer.Option("--https", help="With --web: serve https, which phones require for their camera; see --certificate.")
    ] = False,
    certificate: Annotated[
        Path | None, typer.Option(metavar="PEM", help="With --web: certificate and key for https. Default: made at start.")
    ] = None,
    model: options.Model = DEFAULT_MODEL,
    config: options.Config = None,
    preset: options.Preset = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    backend: options.Backend = "auto",
    redetect: options.Redetect = None,
) -> int:
    """Follow things live, in a window or in a browser.

    \b
    Examples:
      siamtrack live                                     camera 0 in a window; drag a box, h lists the keys
      siamtrack live --source clip.mp4                   a file, at its own speed
      siamtrack live --web                               http://127.0.0.1:8765, by the browser's camera
      siamtrack live --web --host 0.0.0.0 --https        a phone's camera; the address is a QR code too
      siamtrack live --web --source rtsp://HOST/stream   a camera on the network, seen in the browser
      siamtrack live --box 120,80,64,48 --no-window      no screen: results only, until Ctrl-C
    """
    from siamtrack.boxes import parse_box

    boxes = [parse_box(text) for text in box or []]
    if web:
        if boxes or record or not window:
            raise ValueError("--web takes no --box, --record or --no-window: draw and record in the page")
        tracker, about = options.tracker_of(model, config, device, precision, backend, redetect, preset)
        address = {"port": port, "token": token or "", "https": https, "certificate": certificate}
        return _web(tracker, about, out, host, source=source, **address)
    if host != "127.0.0.1" or port != 8765 or token or https or certificate:
        raise ValueError("--host, --port, --token, --https and --certificate go with --web")
    headless = not window or (bool(boxes) and display_problem() is not None)
    if headless and not boxes:
        raise ValueError("--no-window needs --box X,Y,W,H: a box can be drawn in a window alone")
    if not headless:
        require_display("use --web to see it in a browser, or --box X,Y,W,H to follow a target without a window")

    from siamtrack.live.capture import Capture
    from siamtrack.live.session import Session
    from siamtrack.video.source import open_source

    tracker, about = options.tracker_of(model, config, device, precision, backend, redetect, preset)
    with Capture(lambda: open_source(source or "0")) as capture:
        options.warm_up(tracker)
        session = Session(tracker.backend, tracker.config, out, capture.name, capture.fps, about)
        if record:
            session.record(True)
        ended = "interrupted"
        try:
            ended = (_headless if headless else _window)(capture, session, boxes)
        finally:
            session.close(ended)
        return _report(capture, session, ended)


def _web(tracker: Tracker, about: dict[str, Any], out: Path, host: str, **settings: Any) -> int:
    from siamtrack.live.film import Film
    from siamtrack.live.frame_store import FrameStore
    from siamtrack.live.session import Session
    from siamtrack.live.web.server import LiveServer

    def make_session(out: Path, source: str, fps: float) -> Session:
        return Session(tracker.backend, tracker.config, out, source, fps, about)

    def make_film(out: Path, open_video: Callable[[], Source], on_close: Callable[[], None]) -> Film:
        return Film(tracker.backend, tracker.config, FrameStore(open_video, out.parent, on_close), out, about)

    server = LiveServer(out, make_session, make_film, host=host, **settings)
    options.warm_up(tracker)
    with Signals(server.stop):
        typer.echo(f"Open {server.url}  (Ctrl-C ends it; results: {out})")
        if server.fingerprint:
            typer.echo(f"The browser asks whether to trust the certificate: its SHA-256 begins {server.fingerprint[:23]}")
        if host != "127.0.0.1":
            _print_code(server.url)
        server.run()
    return 0


def _print_code(url: str) -> None:
    """Draw an address on the terminal for a phone's camera."""
    import sys

    from siamtrack.errors import needs

    if not sys.stdout.isatty():
        return
    try:
        import segno
    except ModuleNotFoundError:
        note(str(needs("live", "the address as a QR code needs segno")))
        return
    segno.make(url).terminal(compact=True)


def _window(capture: Capture, session: Session, boxes: list[Box]) -> str:
    from siamtrack.live.window.live_window import LiveWindow

    with Signals(interrupt):
        return LiveWindow(capture, session, boxes).run()


def _headless(capture: Capture, session: Session, boxes: list[Box]) -> str:
    from rich.console import Console

    from siamtrack.live.headless import follow

    console = Console(stderr=True)
    with Signals() as signals, console.status("waiting for the first frame") as status:

        def tell(scene: Scene) -> None:
            seen = "  ".join(f"{target.number}: {target.result.state} {target.result.score:.2f}" for target in scene.targets)
            status.update(f"frame {scene.frame.index}  {scene.fps:.1f} fps  {seen}  (Ctrl-C ends it)")

        return follow(capture, session, boxes, tell, lambda: signals.caught is not None)


def _report(capture: Capture, session: Session, ended: str) -> int:
    from siamtrack.live.window.live_window import CLOSED

    for done in session.finished:
        lost = f", {done.lost} of them LOST" if done.lost else ""
        typer.echo(f"{done.frames} frames{lost}: {done.folder / 'boxes.csv'}")
    status = capture.status
    if status.dropped:
        typer.echo(f"{status.dropped} of {status.frames} frames came faster than they could be followed, and were left out")
    if ended not in ("done", "interrupted", CLOSED):
        note(f"{ended}; what was followed before is kept in {session.out}", kind="error")
        return 2
    return 0
