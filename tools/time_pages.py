#!/usr/bin/env python3
"""Time the static page (web/build_page.py) beside the live page (`siamtrack live --web`) and the package, on this machine.

    tools/time_pages.py ROOT --only OTB_Car4
    tools/time_pages.py ROOT --only OTB_Car4 --threads 1 2 --runs 5 --engine webgpu

Chromium's camera plays the sequence forward and backward at 30 frames a second. Each page is opened in turn, a box is drawn on
the target, and for --seconds its pictures are counted. A line tells of one page, as medians of all runs: pictures a second, and
milliseconds of the tracker a frame. The package tracks the same frames in this process, as fast as it can.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import functools
import http.server
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from playwright.sync_api import sync_playwright

from siamtrack.api import tracker_from
from siamtrack.data.sequence import Sequence
from siamtrack.data.subset import chosen_sequences
from siamtrack.eval.runner import computing_with
from siamtrack.model.weights import load_weights

HERE = Path(__file__).resolve().parent
MOST_FRAMES = 300
WAIT_MS = 120_000
FLAGS = [
    "--no-sandbox",
    "--enable-unsafe-webgpu",
    "--enable-features=Vulkan",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
WATCH = """window.drawn = [];
  addEventListener("DOMContentLoaded", () => document.getElementById("picture").addEventListener("siamtrack:drawn",
    ({ detail: { scene } }) => window.drawn.push([performance.now(), scene.tracking_ms])));"""


def main() -> None:
    """Open each page again and again, and print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--only", default="OTB_Car4", help="name of the sequence")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="of WebAssembly")
    parser.add_argument("--engine", default="wasm", help="wasm or webgpu")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    args = parser.parse_args()
    (sequence,) = chosen_sequences(args.root, args.only)
    frames = list(islice(sequence.frames(), MOST_FRAMES))
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as temp, sync_playwright() as playwright, contextlib.ExitStack() as stack:
        clip = Path(temp, "camera.mjpeg")
        encoded = [cv2.imencode(".jpg", frame)[1].tobytes() for frame in frames]
        clip.write_bytes(b"".join([*encoded, *encoded[::-1]]))
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=[*FLAGS, f"--use-file-for-fake-video-capture={clip}"]
        )
        static = stack.enter_context(static_page(Path(temp, "page")))
        pages = {f"static page, {args.engine}, {n} threads": f"{static}?engine={args.engine}&threads={n}" for n in args.threads}
        pages["live page"] = stack.enter_context(live_page(Path(temp, "live")))
        for _ in range(args.runs):
            for threads in (1, None):
                found[f"package, {threads or 'its own'} threads"].append(time_package(sequence, frames, threads))
            for name, url in pages.items():
                found[name].append(time_page(chromium, url, sequence, frames, args.seconds))
        chromium.close()
    for name, runs in found.items():
        fps, ms = (statistics.median(each) for each in zip(*runs, strict=True))
        print(f"{name:32s} {fps:6.1f} a second  tracker {ms:5.1f} ms  ({', '.join(f'{run[1]:.1f}' for run in runs)})")


class Silent(http.server.SimpleHTTPRequestHandler):
    """What `python -m http.server` serves with, without its lines."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def static_page(folder: Path) -> Iterator[str]:
    """Address of the static page, built anew."""
    subprocess.run([sys.executable, HERE.parent / "web/build_page.py", "--out", folder], check=True, stdout=subprocess.DEVNULL)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@contextlib.contextmanager
def live_page(out: Path) -> Iterator[str]:
    """Address of a live page, whose server is another process."""
    command = [sys.executable, "-m", "siamtrack", "live", "--web", "--port", "0", "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout is not None
        yield next(word for line in server.stdout for word in line.split() if word.startswith("http://127.0.0.1"))
        server.terminate()


def time_package(sequence: Sequence, frames: list[np.ndarray], threads: int | None) -> tuple[float, float]:
    """Frames a second and milliseconds a frame of `Tracker.update`; threads: as of `computing_with`."""
    with computing_with(threads):
        tracker = tracker_from(load_weights("siamfc-lite"), device="cpu")
        tracker.init(frames[0], sequence.boxes_xywh[0])
        times = []
        for frame in frames[1:]:
            begun = time.perf_counter()
            tracker.update(frame)
            times.append(time.perf_counter() - begun)
    return len(times) / sum(times), 1000 * statistics.median(times)


def thumbnail(image: np.ndarray) -> np.ndarray:
    """What tells one picture from another."""
    return cv2.resize(image, (64, 48), interpolation=cv2.INTER_AREA)


def time_page(browser: Any, url: str, sequence: Sequence, frames: list[np.ndarray], seconds: float) -> tuple[float, float]:
    """Pictures a second and milliseconds of the tracker a frame, with one target."""
    page = browser.new_page()
    page.set_default_timeout(WAIT_MS)
    page.add_init_script(WATCH)
    page.goto(url)
    page.click("#cover-do")
    page.wait_for_selector("#pause:not([disabled])")
    page.keyboard.press("Space")
    page.wait_for_timeout(1000)
    seen = page.evaluate("document.getElementById('picture').toDataURL()").split(",")[1]
    image = np.asarray(cv2.imdecode(np.frombuffer(base64.b64decode(seen), np.uint8), cv2.IMREAD_COLOR))
    index = min(range(len(frames)), key=lambda i: cv2.norm(thumbnail(frames[i]), thumbnail(image)))
    at = page.locator("#picture").bounding_box()
    scale = at["width"] / frames[0].shape[1]
    x, y, w, h = (float(value) * scale for value in sequence.boxes_xywh[index])
    page.mouse.move(at["x"] + x, at["y"] + y)
    page.mouse.down()
    page.mouse.move(at["x"] + x + w, at["y"] + y + h, steps=3)
    page.mouse.up()
    page.wait_for_selector("#targets .pick")
    page.keyboard.press("Space")
    page.wait_for_timeout(2000)
    page.evaluate("window.drawn = []")
    page.wait_for_timeout(1000 * seconds)
    drawn = np.array(page.evaluate("window.drawn"))
    page.close()
    return 1000 * (len(drawn) - 1) / float(drawn[-1, 0] - drawn[0, 0]), float(np.median(drawn[:, 1]))


if __name__ == "__main__":
    main()
