"""The page in a real browser, whose camera plays a clip with known boxes."""

from __future__ import annotations

import json
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rendered import rendered_frame
from webclient import CORNER_WH, Served

from siamtrack.boxes import iou

pytestmark = pytest.mark.slow

Serve = Callable[..., Served]
Open = Callable[..., "Web"]

WATCH = """
window.drawn = [];
addEventListener("DOMContentLoaded", () => document.getElementById("picture").addEventListener("siamtrack:drawn", (event) => {
  const canvas = event.target, { scene, latencyMs } = event.detail, scale = canvas.width / scene.width;
  const context = canvas.getContext("2d");
  const cells = Array.from({ length: 10 }, (_, i) => context.getImageData((10 * i + 5) * scale, 5 * scale, 1, 1).data[1]);
  window.drawn.push({ index: scene.index, targets: scene.targets, size: [scene.width, scene.height], latencyMs, cells });
}));
"""
PLAY = """(src) => new Promise((resolve, reject) => {
  const video = document.getElementById("player-video");
  video.onended = () => resolve(video.currentTime);
  video.onerror = () => reject(new Error(video.error.message));
  Object.assign(video, { muted: true, src, playbackRate: 4 });
  video.play();
})"""
"""Plays a recording in the page's player to its end; the seconds that it has."""
EXPECTED = re.compile("Failed to load resource|WebSocket connection|net::ERR_CONNECTION")
"""What a browser writes into its console while the server is away, or a download is not there."""


class Web:
    """A page and the hand that uses it."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.troubles: list[str] = []
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.troubles.append(message.text))
        page.add_init_script(WATCH)
        page.set_default_timeout(20_000)
        page.goto(url)

    def start_camera(self) -> None:
        self.page.click("#cover-do")
        self.ready()

    def ready(self) -> None:
        """Wait for the first picture."""
        self.page.wait_for_selector("#pause:not([disabled])")

    def said(self, words: str) -> None:
        """Wait until the line under the picture says something."""
        self.page.wait_for_selector(f"#say:has-text({json.dumps(words)})")

    def drawn(self) -> list[dict[str, Any]]:
        """What was drawn since the last time."""
        return self.page.evaluate("window.drawn.splice(0)")  # type: ignore[no-any-return]

    def wait_for_drawn(self, count: int, timeout_s: float = 30) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        until = time.monotonic() + timeout_s
        while len(found) < count:
            assert time.monotonic() < until, f"{len(found)} of {count} pictures were drawn; the page: {self.words()}"
            self.page.wait_for_timeout(100)
            found += self.drawn()
        return found

    def words(self) -> str:
        """What can be read on the page now."""
        return " / ".join(self.page.inner_text("body").split("\n"))

    def cells(self, width: int) -> list[float]:
        """The cells of the picture that stands there now, of a frame so wide."""
        return self.page.evaluate(  # type: ignore[no-any-return]
            """(width) => { const canvas = document.getElementById("picture"), scale = canvas.width / width;
            const context = canvas.getContext("2d");
            const level = (_, i) => context.getImageData((10 * i + 5) * scale, 5 * scale, 1, 1).data[1];
            return Array.from({length: 10}, level); }""",
            width,
        )

    def on_page(self, box: Any, size_wh: tuple[int, int]) -> tuple[float, float, float, float]:
        """Corners of a box of the frame, in pixels of the page."""
        at = self.page.locator("#picture").bounding_box()
        scale = at["width"] / size_wh[0]
        x, y, w, h = box
        return at["x"] + x * scale, at["y"] + y * scale, at["x"] + (x + w) * scale, at["y"] + (y + h) * scale

    def tap(self, selector: str, done: Callable[[], Any]) -> None:
        """Tap until it is done. On a busy machine a tap may take so long that the browser counts it as a press, and no click
        comes of it."""
        for _ in range(6):
            self.page.tap(selector)
            for _ in range(40):
                if done():
                    return
                self.page.wait_for_timeout(100)
        raise AssertionError(f"tapping {selector} does nothing; the page: {self.words()}")

    def drag(self, box: Any, size_wh: tuple[int, int]) -> None:
        left, top, right, bottom = self.on_page(box, size_wh)
        self.page.mouse.move(left, top)
        self.page.mouse.down()
        self.page.mouse.move((left + right) / 2, (top + bottom) / 2)
        self.page.mouse.move(right, bottom)
        self.page.mouse.up()


def violations(page: Any) -> list[tuple[str, str]]:
    """What axe-core finds that keeps people out: rule and element."""
    page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    return [(one["id"], node["html"]) for one in found for node in one["nodes"]]


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """A function that opens a page in a browser window of its own; no page may have had an error at the end."""
    windows: list[tuple[Any, Web]] = []

    def open_one(url: str, **settings: Any) -> Web:
        window = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **settings})
        windows.append((window, Web(window.new_page(), url)))
        return windows[-1][1]

    yield open_one
    troubles = [trouble for _, web in windows for trouble in web.troubles if not EXPECTED.search(trouble)]
    for window, _ in windows:
        window.close()
    assert troubles == []


@pytest.fixture
def overlaps(camera_clip: Any, number_of: Callable[[list[float]], int | None]) -> Callable[..., list[float]]:
    """A function: overlap of the one target with the truth, in each drawn picture that shows its number."""

    def of(drawn: list[dict[str, Any]]) -> list[float]:
        found = []
        for picture in drawn:
            number = number_of(picture["cells"])
            if number is not None and number < len(camera_clip.truth) and picture["targets"]:
                found.append(float(iou(np.array(picture["targets"][0]["box"]), camera_clip.truth[number])))
        return found

    return of


def draw_on_the_moving_picture(web: Web, clip: Any, number_of: Callable[[list[float]], int | None]) -> None:
    """Draw the true box: begun where the target is now, ended where it is in the picture that then stands still."""
    number = None
    while number is None or not 5 < number < len(clip.truth) - 120:
        web.page.wait_for_timeout(50)
        number = number_of(web.cells(clip.size_wh[0]))
    left, top, _, _ = web.on_page(clip.truth[number], clip.size_wh)
    web.page.mouse.move(left, top)
    web.page.mouse.down()
    standing = number_of(web.cells(clip.size_wh[0]))
    web.page.wait_for_timeout(300)
    assert number_of(web.cells(clip.size_wh[0])) == standing, "the picture stands still while a box is drawn"
    assert standing is not None
    _, _, right, bottom = web.on_page(clip.truth[standing], clip.size_wh)
    web.page.mouse.move(right, bottom, steps=3)
    web.page.mouse.up()
    web.page.wait_for_selector(".target")


def test_what_the_camera_sees_is_followed_and_found_again_after_a_reload(
    serve_live: Serve, open_page: Open, camera_clip: Any, number_of: Any, overlaps: Any
) -> None:
    served = serve_live()
    web = open_page(served.url)
    web.start_camera()
    draw_on_the_moving_picture(web, camera_clip, number_of)
    web.drawn()
    drawn = web.wait_for_drawn(25)
    found = overlaps(drawn)
    assert len(found) > 0.8 * len(drawn)
    assert np.mean(np.array(found) > 0.5) > 0.9
    # The picture under a box is the very one that the tracker saw.
    for picture in drawn:
        seen = served.sessions[0].corners[picture["index"]][5, 5 : CORNER_WH[0] : 10]
        assert number_of(list(seen)) == number_of(picture["cells"])
    assert 0 < np.median([picture["latencyMs"] for picture in drawn]) < 3000
    assert "ms, p95" in web.page.inner_text("#latency")

    web.page.reload()
    web.ready()
    drawn = web.wait_for_drawn(20)
    assert [target["name"] for target in drawn[0]["targets"]] == ["target-1"]
    assert np.mean(np.array(overlaps(drawn)) > 0.5) > 0.8
    assert [session.out.name for session in served.sessions] == ["browser-1"]


def test_two_tabs_each_follow_their_own(
    serve_live: Serve, open_page: Open, camera_clip: Any, number_of: Any, overlaps: Any
) -> None:
    served = serve_live()
    one, two = open_page(served.url), open_page(served.url)
    for web in (one, two):
        web.start_camera()
    for web in (one, two):
        draw_on_the_moving_picture(web, camera_clip, number_of)
    for web in (one, two):
        web.drawn()
    for web in (one, two):
        found = overlaps(web.wait_for_drawn(12))
        assert np.mean(np.array(found) > 0.5) > 0.8
    assert [session.names for session in served.sessions] == [["target-1"], ["target-1"]]


def test_a_restarted_server_is_found_again(serve_live: Serve, open_page: Open, camera_clip: Any) -> None:
    served = serve_live()
    web = open_page(served.url)
    web.start_camera()
    web.drag((50, 50, 80, 80), camera_clip.size_wh)
    web.said("Target 1 is followed.")
    served.stop()
    web.page.wait_for_selector("#banner:has-text('The server does not answer. Next try in')")
    assert web.page.inner_text("#link") == "no connection"
    assert web.page.is_disabled("#record")
    web.drawn()
    serve_live(port=served.port)
    web.said("The server was restarted: draw the targets again.")
    with web.page.expect_download() as downloading:
        web.page.click("#earlier-get")
    assert downloading.value.suggested_filename == "siamtrack-browser-1.zip"
    assert web.page.is_hidden("#banner")
    assert web.wait_for_drawn(5)[-1]["targets"] == []
    assert json.loads((served.out / "browser-1/target-1/run.json").read_text())["ended"] == "the server was stopped"


def test_a_file_of_the_server_is_followed_by_mouse_and_key_in_two_tabs(
    serve_live: Serve, open_page: Open, write_clip: Callable[..., Path], tmp_path: Path
) -> None:
    served = serve_live(source=write_clip(tmp_path / "clip.mp4", frames=30, fps=10))
    web, other = open_page(served.url), open_page(served.url)
    for page in (web, other):
        page.ready()
    web.said("Paused: drag a box")
    x, y, w, h = rendered_frame(0)[1]
    web.drag((x + w, y + h, -w, -h), (320, 240))
    other.page.wait_for_selector(".target")
    web.said("Target 1 is followed.")
    other.page.keyboard.press("r")
    web.page.wait_for_selector("#record[aria-pressed=true]")
    web.drawn()
    web.page.keyboard.press(" ")
    web.page.wait_for_selector("#pause:has-text('Play again')")
    drawn = web.drawn()
    assert len(drawn) > 10
    for picture in drawn:
        assert iou(np.array(picture["targets"][0]["box"]), np.array(rendered_frame(picture["index"])[1])) > 0.5
    other.page.wait_for_selector("#say:has-text('its results are finished')")
    assert other.page.evaluate(PLAY, "sessions/server/files/recording-1.mp4") > 0.9
    with web.page.expect_download() as downloading:
        web.page.keyboard.press("d")
    assert downloading.value.suggested_filename == "siamtrack-server.zip"
    downloading.value.save_as(tmp_path / "results.zip")
    with zipfile.ZipFile(tmp_path / "results.zip") as archive:
        assert set(archive.namelist()) == {
            "recording-1.mp4",
            *(f"target-1/{n}" for n in ("boxes.csv", "boxes.txt", "run.json")),
        }
        assert len(archive.read("target-1/boxes.txt").split()) == 30


def test_a_finger_draws_on_a_phone(serve_live: Serve, open_page: Open, clip: Path) -> None:
    served = serve_live(source=clip)
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
    web = open_page(served.url, **phone)
    web.ready()
    assert web.page.evaluate("document.documentElement.scrollWidth") == 390
    x, y, w, h = rendered_frame(0)[1]
    left, top, right, bottom = web.on_page((x, y, w, h), (320, 240))
    hand = web.page.context.new_cdp_session(web.page)
    points = [(left, top), ((left + right) / 2, (top + bottom) / 2), (right, bottom)]
    for kind, at in zip(("touchStart", "touchMove", "touchMove"), points, strict=True):
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": at[0], "y": at[1]}]})
    hand.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    web.page.wait_for_selector(".target")
    web.drawn()
    drawn: list[dict[str, Any]] = []
    web.tap("#step", lambda: drawn.extend(web.drawn()) or drawn)
    assert iou(np.array(drawn[0]["targets"][0]["box"]), np.array(rendered_frame(1)[1])) > 0.6
    remove = ".target button:has-text('Remove')"
    web.tap(remove, lambda: web.page.is_visible("#no-targets"))
    web.tap("#say button:has-text('Undo')", lambda: web.page.is_visible(".target"))
    assert served.sessions[0].names == ["target-1"]
    web.tap(remove, lambda: web.page.is_visible("#no-targets"))
    assert violations(web.page) == []  # it may take longer than Undo is there


def test_everything_can_be_done_by_keys(serve_live: Serve, open_page: Open, clip: Path) -> None:
    served = serve_live(source=clip)
    web = open_page(served.url)
    web.ready()
    keys = web.page.keyboard
    keys.press("?")
    web.page.wait_for_selector("#help[open]")
    shown = web.page.inner_text("#help")
    assert all(key in shown for key in ("Space", "Enter", "Esc", "Shift", "Delete"))
    keys.press("Escape")
    assert web.page.is_hidden("#help")
    keys.press("b")
    web.said("Arrows move the box")
    keys.press("Escape")
    keys.press("b")
    # It begins at (128, 96), 64 x 48, the target is at (60, 80), 40 x 50; each turn back halves the step.
    for key in ("ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowRight", "ArrowUp", "Shift+ArrowLeft"):
        keys.press(key)
    keys.press("Enter")
    web.page.wait_for_selector(".target")
    web.drawn()
    keys.press(".")
    seen = web.wait_for_drawn(1)[-1]
    assert iou(np.array(seen["targets"][0]["box"]), np.array(rendered_frame(1)[1])) > 0.5
    assert web.page.get_attribute(".target", "aria-current") == "true"
    keys.press("s")
    web.said("Get screenshot-1.png")
    keys.press("a")
    web.said("Draw target 1 again")
    keys.press("b")
    keys.press("Enter")
    web.said("Target 1 is followed from its new box.")
    reached = set()
    for _ in range(30):
        keys.press("Tab")
        reached.add(web.page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    ids = {"picture", "pause", "step", "draw", "record", "shot", "download", "finish", "help-open"}
    assert {*ids, "Draw again", "Remove"} <= reached
    # Space is the page's, whatever was clicked last.
    web.page.click("#record")
    web.page.wait_for_selector("#record[aria-pressed=true]")
    web.drawn()
    keys.press(" ")
    web.wait_for_drawn(1)
    assert web.page.get_attribute("#record", "aria-pressed") == "true"
    keys.press("e")
    web.said("All is finished and written.")
    assert {path.name for path in served.out.glob("server/*")} >= {"target-1", "recording-1.mp4"}


def test_without_a_camera_the_page_says_what_to_do(serve_live: Serve, open_page: Open) -> None:
    served = serve_live(host="0.0.0.0")
    url = re.sub("//[^:/]+", "//tracker.test", served.url)
    web = open_page(url)
    web.page.wait_for_selector("#cover-words:has-text('ssh -L')")
    words = web.page.inner_text("#cover-words")
    assert f"ssh -L {served.port}:127.0.0.1:{served.port} tracker.test" in words
    assert "--source" in words
    assert web.page.url == f"http://tracker.test:{served.port}/", "the token is not left in the address bar"
    web.page.reload()
    web.page.wait_for_selector("#cover-words:has-text('ssh -L')")
    assert served.url.rpartition("=")[2] not in web.page.evaluate("document.cookie")


def test_a_sentence_leaves_the_name_that_it_begins_with(serve_live: Serve, open_page: Open) -> None:
    page = open_page(serve_live().url).page
    for words, said in {
        "the video has ended": "The video has ended.",
        "ended; the disk is full": "Ended; the disk is full.",
        "clip.mp4 breaks off": "clip.mp4 breaks off.",
        "out/server/boxes.csv cannot be written": "out/server/boxes.csv cannot be written.",
    }.items():
        assert page.evaluate(f"import('./live-words.js').then((module) => module.sentence('{words}'))") == said


def test_a_camera_that_is_not_allowed_can_be_asked_for_again(serve_live: Serve, open_page: Open) -> None:
    served = serve_live()
    web = open_page(served.url)
    web.page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError'); }; }"
    )
    web.page.click("#cover-do")
    web.page.wait_for_selector("#cover-words:has-text('did not allow the camera')")
    assert web.page.is_visible("#cover-do")
    assert served.sessions == [], "no session is kept for somebody without a camera"


def test_what_is_so_is_said_of_a_hidden_page_a_camera_that_is_off_and_a_lost_target(
    serve_live: Serve, open_page: Open, camera_clip: Any
) -> None:
    served = serve_live()
    web = open_page(served.url)
    page = web.page
    web.start_camera()
    assert page.evaluate("document.activeElement.id") == "picture", "the focus is not lost with the button"
    web.drag((50, 50, 80, 80), camera_clip.size_wh)
    web.said("Target 1 is followed.")
    hide = """(hidden) => { Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange")); }"""
    page.evaluate(hide, True)
    assert page.title() == "Not tracking – siamtrack live"
    page.wait_for_timeout(1200)
    page.evaluate(hide, False)
    web.said("s, in which nothing was tracked")
    assert page.title() == "siamtrack live"
    served.sessions[0].lose = True
    page.wait_for_selector("#announce:has-text('Target 1 is lost.')", state="attached")
    served.sessions[0].lose = False
    page.click("#camera-switch")
    page.wait_for_selector("#cover-words:has-text('The camera is off')")
    assert page.is_disabled("#draw")
    page.focus("#picture")
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    assert served.sessions[0].names == ["target-1"], "nothing is drawn on a picture that is covered"


def test_a_file_is_dropped_tracked_corrected_renamed_and_exported(
    serve_live: Serve, open_page: Open, clip: Path, tmp_path: Path
) -> None:
    served = serve_live()
    web = open_page(served.url)
    page = web.page
    page.wait_for_selector("#cover-acts button")
    assert page.inner_text("#cover-acts").split("\n")[:2] == ["Start camera", "Open a video file"]
    data = page.evaluate_handle(
        """(bytes) => { const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "clip.mp4")); return data; }""",
        list(clip.read_bytes()),
    )
    page.dispatch_event("#stage", "drop", {"dataTransfer": data})
    web.ready()
    page.wait_for_selector("#at-words:text-is('frame 0 of 20, 0:00.00')")
    web.drag((5, 150, 40, 50), (320, 240))  # the wrong thing
    page.wait_for_selector(".target")
    page.keyboard.press(" ")
    page.wait_for_selector("#at-words:has-text('frame 19 of 20')")
    page.focus("#at")
    page.keyboard.press("Home")
    page.wait_for_selector("#at-words:has-text('frame 0 of 20')")
    at = page.locator("#tracks").bounding_box()
    page.mouse.click(at["x"] + at["width"] * 8 / 19, at["y"] + 4)
    page.wait_for_selector("#at-words:has-text('frame 8 of 20')")
    page.keyboard.press("a")
    web.drag(rendered_frame(8)[1], (320, 240))
    web.said("Target 1 is followed from its new box.")
    page.keyboard.press(" ")
    page.wait_for_selector("#at-words:has-text('frame 19 of 20')")
    page.keyboard.press("[")
    page.wait_for_selector("#at-words:has-text('frame 8 of 20')")
    page.keyboard.press("w")
    page.wait_for_selector("#at-words:has-text('frame 0 of 20')")
    page.click(".target button:has-text('Name')")
    page.get_by_role("radio", name="green").check()
    page.fill("#rename-to", "a car")
    page.keyboard.press("Enter")
    page.wait_for_selector(".target[aria-current=true] .name:text-is('a-car')")  # it stays selected
    page.reload()
    page.wait_for_selector(".target .name:text-is('a-car')")
    assert violations(page) == []
    page.select_option("#form", "mot")
    with page.expect_download() as downloading:
        page.keyboard.press("d")
    downloading.value.save_as(tmp_path / "labels.zip")
    with zipfile.ZipFile(tmp_path / "labels.zip") as archive:
        lines = b"".join(archive.read(name) for name in archive.namelist()).decode().split()
    rows = [line.split(",") for line in lines if "," in line]
    assert len(rows) == 20
    for row in rows[1:]:
        x, y, *wh = (float(value) for value in row[2:6])
        assert iou(np.array([x - 1, y - 1, *wh]), np.array(rendered_frame(int(row[0]) - 1)[1])) > 0.5
    page.keyboard.press("e")  # a video file has no use for it
    page.keyboard.press("r")
    page.wait_for_selector("#say:has-text('The clip is written')")
    href = page.get_by_role("link", name="Get overlay.mp4").get_attribute("href")
    assert page.evaluate(PLAY, href) == pytest.approx(20 / 25, abs=0.05)
    assert page.evaluate("getComputedStyle(document.querySelector('.target')).getPropertyValue('--mine')") == "#009E73"
    page.evaluate("sessionStorage.setItem('siamtrack', JSON.stringify({mode: 'film', sessions: {film: 'of-long-ago'}}))")
    page.reload()
    page.wait_for_selector("#cover-words:has-text('This video is not here any more; open it again.')")
    assert page.inner_text("#link") == "not started"
