from __future__ import annotations

import configparser
import faulthandler
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from rendered import rendered_frame

from siamtrack.cli import vot
from siamtrack.cli.vot import main
from siamtrack.errors import DataError, SiamtrackError
from siamtrack.eval.peers import IdentityTracker
from siamtrack.eval.vot import read_image, region_box, serve, trackers_ini
from siamtrack.tracking.tracker import Tracker


class Rectangle:
    type = "rectangle"

    def __init__(self, *box: float) -> None:
        self.box = box

    def bounds(self) -> tuple[float, ...]:
        return self.box


class Polygon:
    type = "polygon"

    def __init__(self, *points: tuple[float, float]) -> None:
        self.points = points

    def __iter__(self) -> Iterator[tuple[float, float]]:
        return iter(self.points)


class Mask:
    type = "mask"

    def __init__(self, pixels: np.ndarray, offset: tuple[int, int]) -> None:
        self.array, self.offset = lambda: pixels, lambda: offset


class Picture:
    def __init__(self, kind: str, content: Any) -> None:
        self.type = lambda: kind
        self.path = self.array = self.buffer = lambda: content


def memory(i: int) -> dict[str, Picture]:
    return {"color": Picture("memory", rendered_frame(i)[0][..., ::-1])}


def start(i: int = 0, *regions: Any) -> SimpleNamespace:
    regions = regions or (Rectangle(*rendered_frame(i)[1]),)
    return SimpleNamespace(type="initialize", image=memory(i), objects=[(region, {}) for region in regions])


def frame(i: int, objects: Any = None) -> SimpleNamespace:
    return SimpleNamespace(type="frame", image=memory(i), objects=objects)


QUIT = SimpleNamespace(type="quit", image=None, objects=None)


class Server:
    """Asks what it was told to ask, and keeps the answers."""

    def __init__(self, *requests: SimpleNamespace) -> None:
        self.requests = list(requests)
        self.answers: list[list[tuple[Any, dict[str, str]]]] = []

    def wait(self) -> SimpleNamespace:
        return self.requests.pop(0)

    def status(self, objects: list[tuple[Any, dict[str, str]]]) -> None:
        self.answers.append(objects)


def test_the_loop_answers_as_the_tracker_would(tracker: Tracker) -> None:
    expected = [tracker.init(rendered_frame(0)[0], rendered_frame(0)[1])]
    expected += [tracker.update(rendered_frame(i)[0]) for i in (1, 2)]
    expected += [tracker.init(rendered_frame(9)[0], rendered_frame(9)[1]), tracker.update(rendered_frame(10)[0])]
    server = Server(start(), frame(1), frame(2, []), start(9), frame(10), QUIT)
    assert serve(server, tracker, Rectangle) == 5
    assert [answer[0][0].box for answer in server.answers] == [result.box for result in expected]
    assert [answer[0][1] for answer in server.answers] == [{"confidence": f"{result.score:.6f}"} for result in expected]
    assert all(len(answer) == 1 for answer in server.answers)


def test_a_tracker_without_scores_reports_no_confidence() -> None:
    server = Server(start(), frame(1), QUIT)
    assert serve(server, IdentityTracker(), Rectangle) == 2
    assert [(answer[0][0].box, answer[0][1]) for answer in server.answers] == [(rendered_frame(0)[1], {})] * 2
    assert serve(Server(QUIT), IdentityTracker(), Rectangle) == 0


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        ([frame(0)], "a frame came before the first target"),
        ([start(0, Rectangle(1, 1, 9, 9), Rectangle(2, 2, 9, 9))], "2 targets were given"),
        ([start(), frame(1, [(Rectangle(1, 1, 9, 9), {})])], "a target was added"),
        ([SimpleNamespace(type="state", image=None, objects=None)], "request 'state'"),
    ],
)
def test_a_client_that_asks_for_something_else_is_told(requests: list[SimpleNamespace], said: str) -> None:
    with pytest.raises(SiamtrackError, match=said):
        serve(Server(*requests), IdentityTracker(), Rectangle)


def test_regions_become_their_bounding_boxes() -> None:
    assert region_box(Rectangle(1.5, 2, 3, 4)) == (1.5, 2, 3, 4)
    assert region_box(Polygon((10, -2), (14.5, 3), (8, 7))) == (8, -2, 6.5, 9)
    pixels = np.zeros((6, 8), np.uint8)
    pixels[2:5, 3:7] = 1
    assert region_box(Mask(pixels, (100, 50))) == (103, 52, 4, 3)
    with pytest.raises(SiamtrackError, match="mask has no pixel"):
        region_box(Mask(np.zeros((2, 2), np.uint8), (0, 0)))
    with pytest.raises(SiamtrackError, match="'special' region"):
        region_box(SimpleNamespace(type="special"))


def test_images_come_as_files_arrays_and_encoded(tmp_path: Path) -> None:
    picture = rendered_frame(0)[0]
    cv2.imwrite(str(tmp_path / "1.png"), picture)
    encoded = (tmp_path / "1.png").read_bytes()
    for image in (Picture("path", str(tmp_path / "1.png")), Picture("memory", picture[..., ::-1]), Picture("buffer", encoded)):
        assert (read_image({"color": image}) == picture).all()
    gray = np.full((4, 5, 1), 300 * 256 // 2, np.uint16)
    assert read_image({"color": Picture("memory", gray)}).tolist() == np.full((4, 5, 3), 150).tolist()
    for image, said in ((Picture("path", str(tmp_path / "2.png")), "2.png"), (Picture("buffer", b"GIF"), "3 bytes")):
        with pytest.raises(DataError, match=said):
            read_image({"color": image})
    with pytest.raises(SiamtrackError, match="image is a url"):
        read_image({"color": Picture("url", "")})
    with pytest.raises(SiamtrackError, match=r"images \['depth'\]"):
        read_image({"depth": Picture("path", "")})


def test_the_section_starts_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run 5%").mkdir()
    (tmp_path / "run 5%/model.pth").touch()
    monkeypatch.chdir(tmp_path)
    python = "/opt/my python/bin/python"
    read = configparser.ConfigParser()
    for text in (trackers_ini("siamfc"), trackers_ini("run 5%/model.pth,scale_count=5", python, ["device=cpu"])):
        read.read_string(text)
    assert read.sections() == ["siamtrack-siamfc", "siamtrack-run-5-model-scale_count-5-device-cpu"]
    section = read[read.sections()[1]]
    assert section["protocol"] == "traxpython"
    assert section["label"] == "siamtrack run 5%/model scale_count=5 device=cpu"
    assert section["python"] == ("'/opt/my python/bin/python'" if os.name != "nt" else '"/opt/my python/bin/python"')
    assert re.fullmatch("[a-zA-Z0-9-_]+", section.name)
    asked: list[list[str]] = []
    monkeypatch.setattr(vot, "main", asked.append)
    with pytest.raises(SystemExit):
        exec(section["command"], {})
    assert asked == [[f"{(tmp_path / 'run 5%/model.pth').as_posix()},scale_count=5", "device=cpu"]]
    with pytest.raises(ValueError, match="has a quote"):
        trackers_ini("it's.pth")


def test_the_command_prints_the_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--ini", "siamfc", "scale_count=5"]) == 0
    assert capsys.readouterr().out == trackers_ini("siamfc", settings=["scale_count=5"])
    assert main(["--ini", "scale_count=5"]) == 0
    assert capsys.readouterr().out == trackers_ini("siamfc-lite", settings=["scale_count=5"])


def test_without_the_library_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SIAMTRACK_DEBUG", raising=False)
    # None makes the import fail; another package of that name has no Server.
    for there in (None, SimpleNamespace()):
        monkeypatch.setitem(sys.modules, "trax", there)
        assert main(["siamfc"]) == 2
        out, err = capsys.readouterr()
        assert not out
        assert "pip install vot-toolkit" in err
        assert err.count("\n") == 1
    assert main(["--wrong"]) == 2
    assert capsys.readouterr().err == "siamtrack: unrecognized arguments: --wrong\n"


class Exchange:
    """The command in a process of its own, and the real library's client."""

    def __init__(self, *command: str) -> None:
        client = pytest.importorskip("trax.client")
        arguments = command or ("-m", "siamtrack.cli.vot", "siamfc", "device=cpu", "precision=float32")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("TRAX_", "SIAMTRACK_"))}
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environment,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        stream = (self.process.stdin.fileno(), self.process.stdout.fileno())
        # Without something to log to, the library's client fails on its own default.
        self.client = client.Client(stream=stream, log=lambda _: None)

    def end(self) -> tuple[int, str]:
        """Exit status, and stderr."""
        err = self.process.communicate(timeout=60)[1].decode()
        return self.process.returncode, err


@pytest.fixture
def exchange() -> Iterator[Callable[..., Exchange]]:
    """Starts exchanges, and ends those that a failed test leaves behind."""
    started: list[Exchange] = []

    def start(*command: str) -> Exchange:
        started.append(Exchange(*command))
        return started[-1]

    # The library's client waits in C code that nothing interrupts: it was seen to spin without end.
    faulthandler.dump_traceback_later(120, exit=True)
    yield start
    faulthandler.cancel_dump_traceback_later()
    for one in started:
        one.process.kill()
        one.process.wait()


@pytest.mark.slow
def test_a_real_client_gets_the_trackers_boxes(tmp_path: Path, tracker: Tracker, exchange: Callable[..., Exchange]) -> None:
    trax = pytest.importorskip("trax")
    talk = exchange()
    assert talk.client.tracker_name == "siamtrack"
    assert talk.client.tracker_description == "siamfc"
    assert not talk.client.get("multiobject")

    def given(i: int, kind: str) -> dict[str, Any]:
        picture = rendered_frame(i)[0]
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture)
        if kind == "path":
            return {"color": trax.FileImage.create(str(tmp_path / f"{i}.png"))}
        if kind == "memory":
            return {"color": trax.MemoryImage.create(np.ascontiguousarray(picture[..., ::-1]))}
        return {"color": trax.BufferImage.create((tmp_path / f"{i}.png").read_bytes())}

    mask = np.zeros((60, 50), np.uint8)
    mask[2:52, 4:44] = 1
    x, y, w, h = 60.0, 80.0, 40.0, 50.0
    polygon = [(x, y + 5), (x + w, y), (x + w - 3, y + h), (x + 2, y + h - 4)]
    regions = (trax.Rectangle.create(x, y, w, h), trax.Polygon.create(polygon), trax.Mask.create(mask, 56, 78))
    for kind, region in zip(("path", "memory", "buffer"), regions, strict=True):
        answers = [talk.client.initialize(given(0, kind), [(region, {})], {})[0]]
        answers += [talk.client.frame(given(i, kind), {}, [])[0] for i in range(1, 4)]
        expected = [tracker.init(rendered_frame(0)[0], (x, y, w, h))]
        expected += [tracker.update(rendered_frame(i)[0]) for i in range(1, 4)]
        for [(found, properties)], result in zip(answers, expected, strict=True):
            # The protocol writes four digits behind the point, of float32.
            assert found.bounds() == pytest.approx(result.box, abs=2e-3)
            assert float(properties["confidence"]) == pytest.approx(result.score, abs=1e-3)
    talk.client.quit()
    assert talk.end() == (0, "")


@pytest.mark.slow
def test_what_a_tracker_prints_stays_out_of_the_protocol(exchange: Callable[..., Exchange]) -> None:
    trax = pytest.importorskip("trax")
    noisy = """
import os, sys
from siamtrack.cli.vot import main
from siamtrack.eval import vot
from siamtrack.eval.peers import IdentityTracker
class Noisy(IdentityTracker):
    def update(self, frame):
        print("half a line", end="", flush=True)
        os.write(1, b"@@TRAX:quit")
        return super().update(frame)
vot.TrackerSpec.make = lambda _: Noisy()
sys.exit(main(["noisy"]))
"""
    talk = exchange("-c", noisy)
    image = {"color": trax.MemoryImage.create(rendered_frame(0)[0])}
    talk.client.initialize(image, [(trax.Rectangle.create(5, 6, 7, 8), {})], {})
    for _ in range(2):
        [(region, properties)], _ = talk.client.frame(image, {}, [])
        assert region.bounds() == (5, 6, 7, 8)
        assert not properties
    talk.client.quit()
    assert talk.end() == (0, "half a line@@TRAX:quit" * 2)


@pytest.mark.slow
def test_an_error_ends_the_exchange_with_its_reason(tmp_path: Path, exchange: Callable[..., Exchange]) -> None:
    trax = pytest.importorskip("trax")
    talk = exchange()
    image = {"color": trax.FileImage.create(str(tmp_path / "missing.png"))}
    with pytest.raises(trax.TraxException, match=r"missing\.png cannot be read"):
        talk.client.initialize(image, [(trax.Rectangle.create(5, 6, 70, 80), {})], {})
    status, err = talk.end()
    assert status == 2
    assert re.fullmatch(r"siamtrack: .*missing\.png cannot be read .*\n", err)

    talk = exchange()
    # A client that dies says no quit.
    status, err = talk.end()
    assert status == 2
    assert re.fullmatch(r"siamtrack: the client broke off the exchange .*\n", err)
