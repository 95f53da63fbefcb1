from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import Command, environment, refused, rows_of, wait_until
from made_videos import ffmpeg

from siamtrack.errors import SourceError
from siamtrack.video import camera, pipe
from siamtrack.video.camera import CameraSource
from siamtrack.video.pipe import Pipe, PipeSource
from siamtrack.video.source import open_again, open_source
from siamtrack.video.stream import StreamSource, VideoSource

BOX = "60,80,40,50"
posix = pytest.mark.skipif(os.name == "nt", reason="named pipes and names that are not text")


def write_images(folder: Path, count: int = 3) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        cv2.imwrite(str(folder / f"{i}.png"), np.full((20, 30, 3), 10 * i, np.uint8))
    return folder


def count_frames(source: str | bytes | Path) -> int:
    with open_source(source) as opened:
        return len(list(opened.read()))


# ---- Names


@posix
@pytest.mark.parametrize(
    "name",
    ["10:30.mp4", "file:x", "file:x.mp4", "concat:a.mp4", "http:x.mp4", "-x.mp4", "%03d.mp4", "a%d.mjpg", "pipe:0", "[1].mp4",
     "*.mp4", "a?.mp4", "b\udcff.mp4", "\u00e9 \u2603.mp4", " .mp4", "data:x", "subfile,,start,0,end,9,,:a.mp4", "~", "0"],
)  # fmt: skip
def test_a_file_is_a_file_whatever_its_name(name: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if name.endswith("mjpg"):
        Path(name).write_bytes(ffmpeg("-i", clip, "-f", "mjpeg", "-"))
    else:
        shutil.copy(clip, name)
    for source in (name, Path(name), tmp_path / name):
        with open_source(source) as opened:
            assert isinstance(opened, VideoSource)
            assert len(list(opened.read())) == 20
            opened.name.encode()
    assert open_source(name).name == name.replace("\udcff", "\\xff")


@posix
def test_odd_names_on_the_command_line(here: Command, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(clip, "-1:b\udcff.mp4")
    result = here("track", "--box", BOX, "--out", "o", "--", "-1:b\udcff.mp4")
    assert result.returncode == 0, result.stderr
    assert len(rows_of(tmp_path / "o/boxes.csv")) == 20
    Path("c:\udcfe.mp4").write_bytes(b"no video" * 100)
    refused(here("track", "c:\udcfe.mp4", "--box", BOX, "--out", "p"), "c:\\xfe.mp4 cannot be opened")
    refused(here("track", "none\udcfe.mp4", "--box", BOX, "--out", "p"), "none\\xfe.mp4 not found")
    refused(here("track", "x" * 300, "--box", BOX, "--out", "p"), "not found")


@pytest.mark.parametrize("name", ["a.mp4", "b 100%?#.mp4", "c\u00e9\udcff.mp4"])
def test_a_files_address_is_its_path(name: str, clip: Path, tmp_path: Path) -> None:
    path = tmp_path / name
    shutil.copy(clip, path)
    assert count_frames(path.as_uri()) == 20
    assert count_frames(path.as_uri().replace("file://", "FILE://localhost")) == 20
    assert count_frames(os.fsencode(path)) == 20


@pytest.mark.parametrize(
    "pattern",
    ["run [1]/*.png", "run [1]/[0-9].png", "run [1]/?.png", "r*/*.png", "*/[!a].png", "./run [1]/../run [1]/*.png"],
)
def test_brackets_in_folders_are_names_where_such_a_folder_is(
    pattern: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path / "run [1]")
    monkeypatch.chdir(tmp_path)
    for source in (pattern, str(tmp_path / pattern)):
        assert count_frames(source) == 3
    assert count_frames("run [1]") == 3
    write_images(tmp_path / "run 1", 2)
    assert count_frames("run [1]/*.png") == 3
    assert count_frames("ru[n] [[]1]/*.png") == 3
    assert count_frames("ru[n] [1]/*.png") == 2


def test_hidden_files_and_folders_are_no_frames(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "f")
    for name in ("._0.png", ".DS_Store", ".hidden.jpg", "Thumbs.db", "notes.txt"):
        (folder / name).write_bytes(b"\0\5\026\7 no image")
    (folder / "more.png").mkdir()
    (folder / "loop").symlink_to(folder)
    for source in (folder, folder / "*", folder / "*.png"):
        assert count_frames(source) == 3
    with pytest.raises(SourceError, match="holds no images"):
        open_source(folder / "*.tif")
    # Where no name looks like an image's, what was named is taken for one.
    for path in folder.glob("?.png"):
        path.rename(path.with_suffix(".frame"))
    assert count_frames(folder / "*.frame") == 3


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("none.mp4", "none.mp4 not found"),
        ("a\0b.mp4", "cannot be opened"),
        ("clip.mp4/x.mp4", "not found"),
        ("9999999999999999999999", "camera 99999999999999999999 cannot be opened"),
        ("4294967296", "camera 4294967296 cannot be opened"),
        ("97", "camera 97 cannot be opened"),
        ("", "'' not found"),
        ("frames/%04d.png", "as a glob: 'frames/\\*.png'"),
        ("htp://admin:S3cret@cam/live", "htp://\\*\\*\\*@cam/live not found"),
    ],
)
def test_what_is_not_there(source: str, words: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(clip, tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    with pytest.raises((FileNotFoundError, SourceError), match=words):
        open_source(source)


# ---- Devices and pipes


def test_a_device_is_a_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[object, int]] = []

    class Camera:
        def open(self, target: object, backend: int) -> bool:
            opened.append((target, backend))
            return True

        def isOpened(self) -> bool:
            return bool(opened)

        def get(self, what: int) -> float:
            return {cv2.CAP_PROP_FPS: 25.0}.get(what, 0.0)

    monkeypatch.setattr(camera.cv2, "VideoCapture", Camera)
    link = tmp_path / "by-id"
    link.symlink_to("/dev/null")  # a character device, as cameras are
    for source in ("/dev/null", link):
        source_opened = open_source(source)
        assert isinstance(source_opened, CameraSource)
        assert (source_opened.name, source_opened.live, source_opened.frame_count) == (str(source), True, None)
        assert opened.pop() == ("/dev/null", cv2.CAP_V4L2)
    assert open_source(3).name == "camera 3"
    assert opened.pop() == (3, cv2.CAP_ANY)


def test_a_device_that_is_no_camera_is_refused(here: Command, tmp_path: Path) -> None:
    result = here("track", "/dev/null", "--box", BOX, "--out", tmp_path / "o")
    refused(result, "/dev/null cannot be opened; is it a camera")


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    if os.name == "nt":
        pytest.skip("no named pipes")
    os.mkfifo(tmp_path / "p.ts")
    return tmp_path / "p.ts"


def feed(path: Path, data: bytes, hold: threading.Event | None = None) -> threading.Thread:
    def write() -> None:
        with path.open("wb", buffering=0) as stream:
            view = memoryview(data)
            while view:
                view = view[stream.write(view) :]
            if hold is not None:
                hold.wait(60)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("form", ["mpegts", "matroska", "avi", "mjpeg"])
def test_a_video_in_a_pipe_is_read_as_it_comes(fifo: Path, clip: Path, form: str) -> None:
    codec = {"mpegts": ["-c:v", "libx264", "-bf", 0], "mjpeg": []}.get(form, ["-c", "copy"])
    writer = feed(fifo, ffmpeg("-i", clip, *codec, "-f", form, "-"))
    with open_source(fifo) as source:
        assert isinstance(source, PipeSource)
        assert (source.live, source.frame_count, source.audio) == (False, None, None)
        frames = list(source.read_ahead(5))
    assert [frame.index for frame in frames] == list(range(5, 20))
    assert frames[0].time_s == pytest.approx(0.2, abs=0.01)
    writer.join()


def test_standard_input_may_be_a_pipe_or_a_file(clip: Path, tmp_path: Path) -> None:
    data = ffmpeg("-i", clip, "-f", "matroska", "-")
    command = [sys.executable, "-m", "siamtrack", "track", "-", "--box", BOX, "--out", str(tmp_path / "o")]
    result = subprocess.run(command, input=data, capture_output=True, timeout=120, env=environment(), check=False)
    assert result.returncode == 0, result.stderr
    assert len(rows_of(tmp_path / "o/boxes.csv")) == 20
    result = subprocess.run(command, input=b"", capture_output=True, timeout=120, env=environment(), check=False, text=False)
    assert result.returncode == 2
    assert result.stderr.count(b"\n") == 1
    assert b"standard input gives no video" in result.stderr


@pytest.mark.parametrize("name", ["p.jpg", "f/1.png", "f/*.png"])
def test_a_pipe_is_no_picture(here: Command, tmp_path: Path, name: str) -> None:
    write_images(tmp_path / "f", 1)
    os.mkfifo(tmp_path / "p.jpg")
    os.mkfifo(tmp_path / "f/1.png")
    refused(here("track", tmp_path / name, "--box", "2,2,9,9", "--out", tmp_path / "o"), "give a file")


def holds(pid: int, path: Path) -> bool:
    """Whether a process has a file open; the test is skipped on systems that do not tell."""
    files = Path(f"/proc/{pid}/fd")
    if not files.is_dir():
        pytest.skip("which files a process has open is asked of /proc")
    return any(os.path.realpath(one) == str(path) for one in files.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("begun", [False, True])
def test_a_signal_ends_the_wait_for_a_pipe(fifo: Path, clip: Path, tmp_path: Path, number: signal.Signals, begun: bool) -> None:
    command = [sys.executable, "-m", "siamtrack", "track", str(fifo), "--box", BOX, "--out", str(tmp_path / "o")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    hold = threading.Event()
    if begun:
        data = ffmpeg("-stream_loop", 9, "-i", clip, "-c:v", "libx264", "-f", "mpegts", "-")
        feed(fifo, data[: len(data) * 3 // 4], hold)
        partial_rows = tmp_path / "o/boxes.partial.csv"
        wait_until(lambda: partial_rows.is_file() and len(partial_rows.read_bytes()) > 2000)
        time.sleep(0.5)  # what has come is tracked, and nothing more does
    else:
        wait_until(lambda: holds(process.pid, fifo), process)
    process.send_signal(number)
    try:
        _, stderr = process.communicate(timeout=20)
    finally:
        process.kill()
        hold.set()
    assert process.returncode in (128 + number, -number)
    assert b"Traceback" not in stderr
    if begun:
        assert len(rows_of(tmp_path / "o/boxes.csv")) > 20


def test_a_pipe_lets_go_of_itself(fifo: Path, clip: Path) -> None:
    hold = threading.Event()
    data = ffmpeg("-stream_loop", 4, "-i", clip, "-c:v", "libx264", "-f", "mpegts", "-")
    writer = feed(fifo, data, hold)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    with open_source(fifo) as source:
        frames = source.read_ahead()
        assert next(frames).index == 0
        source.interrupt()
        with pytest.raises(KeyboardInterrupt):
            list(frames)  # the writer holds the pipe open, and nothing more comes
    hold.set()
    writer.join()
    assert not any(thread.name == "read-ahead" for thread in threading.enumerate())
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before


def test_an_mp4_whose_index_comes_last_says_so(fifo: Path, tmp_path: Path) -> None:
    noise = ["-f", "lavfi", "-i", "testsrc2=size=640x480:duration=1", "-vf", "noise=alls=60", "-c:v", "libx264"]
    path = tmp_path / "last.mp4"
    ffmpeg(*noise, path)
    writer = feed(fifo, path.read_bytes())
    with open_source(fifo) as source, pytest.raises(SourceError, match=r"the index must be in front \(faststart\)"):
        list(source.read())
    writer.join()


def test_what_interrupts_a_read_of_a_pipe_is_not_lost(fifo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def register(self, *_: object) -> None:
            pass

        def poll(self, _: float) -> list[object]:
            raise KeyboardInterrupt

    monkeypatch.setattr(pipe.select, "poll", Broken)
    stream = Pipe(fifo)
    assert stream.read(10) == b""
    assert isinstance(stream.problem, KeyboardInterrupt)
    stream.close()
    stream.close()


@pytest.mark.parametrize("name", ["camera 0", "0", "/dev/null", "rtsp://***@cam/live", "standard input", "p.ts"])
def test_what_was_live_is_not_opened_again(name: str, fifo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fifo.parent)
    with pytest.raises(SourceError, match="was live, and its frames are gone"):
        open_again(name)


def test_a_file_or_folder_that_is_still_there_is_opened_again(clip: Path, tmp_path: Path) -> None:
    for path in (clip, write_images(tmp_path / "f")):
        with open_again(str(path)) as source:
            assert source.name == str(path)
    with pytest.raises(FileNotFoundError):
        open_again(str(tmp_path / "gone.mp4"))


# ---- Addresses


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(clip: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a web server with a clip, `v.mp4`."""
    folder = tmp_path / "www"
    folder.mkdir()
    ffmpeg("-i", clip, "-c", "copy", "-movflags", "faststart", folder / "v.mp4")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder)) as opened:
        threading.Thread(target=opened.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://admin:S3cret@127.0.0.1:{opened.server_port}"
        opened.shutdown()


def no_secret_in(*places: Path) -> bool:
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    return not any(b"S3cret" in path.read_bytes() for path in files) and bool(files)


def test_the_password_of_an_address_is_nowhere(server: str, here: Command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for number, address in enumerate((f"{server}/v.mp4", f"{server}/v.mp4?token=S3cret&channel=1")):
        with open_source(address) as source:
            assert isinstance(source, StreamSource)
            assert source.name.replace("***@", "").startswith("http://127.0.0.1:")
        result = here("track", address, "--box", BOX, "--out", out / str(number))
        assert result.returncode == 0
        assert "S3cret" not in result.stdout + result.stderr
        assert len(rows_of(out / str(number) / "boxes.csv")) == 20
    assert no_secret_in(out)


@pytest.mark.parametrize(
    "address",
    [
        "http://admin:S3cret@127.0.0.1:1/cam?key=S3cret",
        "rtsp://admin:S3cret@127.0.0.1:1/live?token=S3cret",
        "rtmp://127.0.0.1:1/live?S3cret",
        "htps://admin:S3cret@127.0.0.1/x",
    ],
)
def test_an_address_that_cannot_be_opened_is_shown_without_its_password(here: Command, tmp_path: Path, address: str) -> None:
    result = here("track", address, "--box", BOX, "--out", tmp_path / "o")
    refused(result, "127.0.0.1")
    assert "S3cret" not in result.stderr
    result = here("live", "--source", address, "--box", BOX, "--no-window", "--out", tmp_path / "l")
    refused(result, "127.0.0.1")
    assert "S3cret" not in result.stderr
    result = here("live", "--web", "--port", 0, "--source", address, "--out", tmp_path / "w")
    assert "S3cret" not in result.stdout + result.stderr


def test_a_live_session_does_not_show_the_password(server: str, here: Command, tmp_path: Path) -> None:
    result = here("live", "--source", f"{server}/v.mp4?t=S3cret", "--box", BOX, "--no-window", "--out", tmp_path / "l")
    assert result.returncode == 0, result.stderr
    assert "S3cret" not in result.stdout + result.stderr
    assert no_secret_in(tmp_path / "l")


def test_a_batch_takes_addresses_and_does_not_show_their_passwords(server: str, here: Command, tmp_path: Path) -> None:
    lines = [f"{server}/v.mp4?id=S3cret{i},car,0,60,80,40,50" for i in (1, 2)]
    lines += ["http://admin:S3cret@127.0.0.1:1/v.mp4,car,0,60,80,40,50", "rtsp://u:S3cret@h/x,car,0,1,2,0,0"]
    (tmp_path / "jobs.csv").write_text("\n".join(["video,target,start,x,y,w,h", *lines, ""]))
    out = tmp_path / "out"
    for _ in range(2):  # the second time it finds the results of the first
        result = here("batch", tmp_path / "jobs.csv", "--out", out, "--jobs", 1, "--device", "cpu")
        assert result.returncode == 1
        assert "S3cret" not in result.stdout + result.stderr
        rows = rows_of(out / "summary.csv")
        assert sorted(row["outcome"] for row in rows) == ["done", "done", "failed", "failed"]
        assert no_secret_in(out)
    assert {row["frames"] for row in rows if row["outcome"] == "done"} == {"20"}
    assert len({row["folder"] for row in rows if row["folder"]}) == 3


def test_a_signal_ends_the_wait_for_a_silent_server(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://admin:S3cret@127.0.0.1:{silent.getsockname()[1]}/cam"
        command = [sys.executable, "-m", "siamtrack", "track", address, "--box", BOX, "--out", str(tmp_path / "o")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        connection, _ = silent.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr == b""


@posix
def test_a_batch_names_files_that_are_not_utf8(here: Command, clip: Path, tmp_path: Path) -> None:
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    for name in ("a", "b\udcff"):
        shutil.copy(clip, jobs / f"{name}.mp4")
    (jobs / "c\udcfe.mp4").write_bytes(b"no video" * 100)
    for name in ("a", "b\udcff", "c\udcfe"):
        (jobs / f"{name}.txt").write_text("60,80,40,50\n")
    result = here("batch", jobs, "--out", tmp_path / "out", "--jobs", 1, "--device", "cpu")
    assert result.returncode == 1, result.stderr
    rows = rows_of(tmp_path / "out/summary.csv")
    assert {row["video"]: row["outcome"] for row in rows} == {"a.mp4": "done", "b\\xff.mp4": "done", "c\\xfe.mp4": "failed"}
    assert "c\\xfe.mp4 cannot be opened" in next(row["error"] for row in rows if row["outcome"] == "failed")
