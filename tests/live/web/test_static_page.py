"""The static page in a real browser: it tracks by itself, from a camera and from a dropped file."""

from __future__ import annotations

import base64
import csv
import functools
import http.server
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import siamtrack
from siamtrack.boxes import iou
from siamtrack.demo import CLIPS
from siamtrack.video.sink import VideoSink
from siamtrack.video.source import open_source

pytestmark = pytest.mark.slow

FRAMES = 24
WAIT_MS = 90_000  # a busy machine compiles the runtime for a minute
LONGEST_S = 400  # a test; some of Playwright's calls wait without a limit
# A file is paused by the page itself: a busy machine may have played it to its end before a key comes.
WATCH = """addEventListener("DOMContentLoaded", () => document.getElementById("picture").addEventListener("siamtrack:drawn",
  ({ detail: { scene } }) => {
    window.scene = scene;
    if (window.seen) window.seen.push([scene.index, CELLS()]);
    if (window.seen && !window.held && (window.held = scene.index >= 2)) document.getElementById("pause").click();
  }));"""
DROP = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)), dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type: "video/mp4" }));
  window.seen = [];
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
}"""
# A video may be over before the hand that draws is seen.
TO_ITS_END = """async () => { const video = document.getElementById("video");
  video.currentTime = video.duration;
  await new Promise((resolve) => video.addEventListener("seeked", () => setTimeout(resolve, 200)));
  if (!video.ended) throw new Error("not at its end"); }"""
# As of a browser that has no room for all files.
NO_KEEPING = """const register = ServiceWorkerContainer.prototype.register;
  ServiceWorkerContainer.prototype.register = function () { return register.call(this, "fails.js"); };"""
# The runtime's build for WebGPU as on a graphics card that is taken away at once.
LOST_CARD = """export const env = { wasm: {} };
  export class Tensor {}
  export const InferenceSession = { create: async () => ({ run: () => Promise.reject(new Error("the device was lost")) }) };"""
CELLS = """window.CELLS = () => { const canvas = document.getElementById("picture"), scale = canvas.width / window.scene.width;
  const context = canvas.getContext("2d");
  return Array.from({length: 10}, (_, i) => context.getImageData((10 * i + 5) * scale, 5 * scale, 1, 1).data[1]); };"""


class Silent(http.server.SimpleHTTPRequestHandler):
    """What `python -m http.server` serves with, without its lines."""

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, import_tool: Callable[[str], ModuleType]) -> Iterator[str]:
    """Address of the page as its tool builds it, served as the guide says."""
    tool, folder = import_tool("web/build_page"), tmp_path_factory.mktemp("page") / "dist"
    page = tool.page_files("siamfc-lite")
    assert sum(map(len, page.values())) < 4e6
    page["fails.js"] = b"oninstall = (event) => event.waitUntil(Promise.reject());"
    tool.write(folder, page | tool.runtime_files(tool.fetched_runtime()))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def open_page(browser: Any, url: str) -> Iterator[Callable[..., Any]]:
    """A function that opens the page in a window of its own and waits for its tracker; no page may have had an error."""
    windows, troubles = [], []
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    (pid,) = (process["id"] for process in processes if process["type"] == "browser")
    watch = threading.Timer(LONGEST_S, os.kill, (pid, signal.SIGKILL))
    watch.start()

    def open_one(script: str = "", search: str = "", **settings: Any) -> Any:
        windows.append(browser.new_context(**settings))
        page = windows[-1].new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: message.type == "error" and troubles.append(message.text))
        page.add_init_script(CELLS + WATCH + script)
        page.route("**/ort.jspi.min.mjs", lambda route: route.fulfill(body=LOST_CARD, content_type="text/javascript"))
        page.goto(url + search)
        wait_for_tracker(page)
        return page

    yield open_one
    for window in windows:
        window.close()
    watch.cancel()
    assert troubles == []


def wait_for_tracker(page: Any) -> None:
    """Wait until the page has its tracker, or says why not."""
    page.wait_for_selector("#link:not([data-state=connecting])")
    assert page.get_attribute("#link", "data-state") == "open", page.inner_text("#cover")


def drag(page: Any, box: Any, meanwhile: str = "") -> None:
    """Draw a box of the frame with the mouse, and run a script before it is drawn."""
    at = page.locator("#picture").bounding_box()
    scale = at["width"] / page.evaluate("window.scene.width")
    x, y, w, h = (float(value) * scale for value in box)
    page.mouse.move(at["x"] + x, at["y"] + y)
    page.mouse.down()
    page.mouse.move(at["x"] + x + w / 2, at["y"] + y + h / 2)
    if meanwhile:
        page.evaluate(meanwhile)
    page.mouse.move(at["x"] + x + w, at["y"] + y + h)
    page.mouse.up()


def pause(page: Any) -> None:
    """Pause, and wait until the picture stands."""
    page.wait_for_selector("#pause:not([disabled])")
    page.keyboard.press("Space")
    page.wait_for_selector("#pause .words:text-is('Play')")
    page.wait_for_timeout(500)


def test_a_dropped_file_is_followed_frame_by_frame_as_the_package_does(
    open_page: Callable[..., Any],
    carphone: Path,
    tmp_path: Path,
    numbered: Callable[..., np.ndarray],
    number_of: Callable[[list[float]], int | None],
) -> None:
    clip = tmp_path / "clip.mp4"
    with open_source(carphone) as frames, closing(frames.read_ahead(0)) as items, VideoSink(clip, 4) as sink:
        for number, item in enumerate(islice(items, FRAMES)):
            sink.write(numbered(item.image, number))
    page = open_page()
    assert page.evaluate("crossOriginIsolated")
    assert "No frame leaves this browser" in page.inner_text("#cover")
    page.evaluate(DROP, ["clip.mp4", base64.b64encode(clip.read_bytes()).decode()])
    page.wait_for_selector("#pause .words:text-is('Play')")
    page.wait_for_timeout(500)
    first = page.evaluate("window.scene.index")
    drag(page, CLIPS["carphone"].box, TO_ITS_END)
    page.wait_for_selector("#targets .pick")
    page.keyboard.press("Space")
    page.wait_for_selector("#pause:has-text('Play again')")
    seen = [(index, number_of(cells)) for index, cells in page.evaluate("window.seen")]
    assert all(index == number for index, number in seen)  # no frame has another one's number
    assert set(range(first, FRAMES)) <= {index for index, _ in seen}
    with page.expect_download() as download:
        page.keyboard.press("d")
    assert download.value.suggested_filename == "boxes.csv"
    with Path(download.value.path()).open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["frame"]) for row in rows] == [*range(first, FRAMES)]
    assert [float(row["time_s"]) for row in rows] == pytest.approx([i / 4 for i in range(first, FRAMES)])
    package = siamtrack.load(device="cpu", backend="onnx")
    with open_source(clip) as frames, closing(frames.read_ahead(first)) as items:
        images = [item.image for item in items]
    found = np.array([[float(row[key]) for key in "xywh"] for row in rows])
    package.init(images[0], found[0])
    expected = [package.update(image) for image in images[1:]]
    assert iou(found[1:], [result.box for result in expected]).min() > 0.9
    assert [row["state"] for row in rows[1:]] == [result.state for result in expected]

    page.context.set_offline(True)  # the second visit needs no network
    page.reload()
    wait_for_tracker(page)


def test_the_camera_on_a_phone_and_targets_by_keys_without_the_graphics_card(
    open_page: Callable[..., Any], camera_clip: Any, number_of: Callable[[list[float]], int | None]
) -> None:
    page = open_page(NO_KEEPING, "?engine=webgpu", viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True)
    assert page.inner_text("#link") == "ready, WebGPU"
    page.click("#cover-do")
    page.wait_for_function("window.scene?.width > 0")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    pause(page)
    number = number_of(page.evaluate("CELLS()"))
    assert number is not None
    drag(page, camera_clip.truth[number])
    page.wait_for_selector("#targets .pick")
    assert page.inner_text("#link") == "ready"
    page.keyboard.press("Escape")  # selects nothing
    page.keyboard.press("Space")
    overlaps = []
    while len(overlaps) < 5:
        seen = page.evaluate("window.scene.index")
        page.wait_for_function(f"window.scene.index > {seen} && window.scene.targets.length")
        cells, targets = page.evaluate("[CELLS(), window.scene.targets]")
        if (number := number_of(cells)) is not None:
            overlaps.append(float(iou(targets[0]["box"], camera_clip.truth[number])))
    assert np.mean(overlaps) > 0.6, overlaps
    pause(page)
    for key in ("b", "ArrowRight", "Shift+ArrowDown", "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector("#targets .target:nth-child(2)")
    page.keyboard.press("1")
    page.wait_for_selector("#targets .target:nth-child(1)[aria-current=true]")
    page.keyboard.press("Delete")
    page.wait_for_selector("#targets .target:nth-child(2)", state="detached")
    assert page.inner_text("#targets .name") == "Target 2"
