"""Clients' video files: sent piece by piece, tracked, corrected and exported, and removed when nobody needs them."""

from __future__ import annotations

import http.client
import io
import json
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import wait_until
from made_videos import ffmpeg, uncollected
from webclient import Served, WebClient, box, closed, frame, get, overlap

from siamtrack.errors import OutputError
from siamtrack.labels.tracks import load_tracks
from siamtrack.live.capture import Captured
from siamtrack.live.film import Film
from siamtrack.live.frame_store import FrameStore
from siamtrack.live.web import app, uploads
from siamtrack.live.web.camera_session import CameraSession
from siamtrack.live.web.client import Client
from siamtrack.live.web.film_session import FilmSession
from siamtrack.live.web.turns import Turns
from siamtrack.live.web.uploads import MAX_VIDEO, Uploads
from siamtrack.tracking.tracker import Tracker
from siamtrack.video.source import Source, open_source

Serve = Callable[..., Served]


def ask(served: Served, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.request(method, path, body, {"Origin": served.url.rstrip("/")})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if answer.status == 200 else text


def send(served: Served, path: Path, piece: int = 20_000) -> str:
    """Send a file; the name of its session."""
    data = path.read_bytes()
    upload = ask(served, "POST", f"/videos?title={path.name}&size={len(data)}")[1]["upload"]
    answers: list[dict[str, str]] = []
    for at in range(0, len(data), piece):
        for _ in range(2 if at == piece or at + piece >= len(data) else 1):  # a piece whose answer was lost comes again
            status, answer = ask(served, "PUT", f"/videos/{upload}?at={at}", data[at : at + piece])
            assert status == 200, answer
            answers.append(answer)
    assert answers[-1] == answers[-2], "the same session"
    return answers[-1]["session"]


def walk(client: WebClient, kind: str, to: int, **values: Any) -> dict[str, Any]:
    """Say something, and wait for the picture of a frame."""
    client.say(kind, **values)
    return client.picture(lambda header: header["scene"]["index"] == to)["scene"]


def test_a_file_is_tracked_corrected_in_its_middle_and_exported(serve_live: Serve, clip: Path, tmp_path: Path) -> None:
    served = serve_live()
    session = send(served, clip)
    with WebClient(served.url, "film", session) as client:
        assert (client.welcome["mode"], client.welcome["resumed"]) == ("film", True)
        ready = client.wait("status", lambda message: message["filled"])
        assert (ready["count"], ready["paused"], ready["problem"]) == (20, True, "")
        assert list(served.out.glob(".videos/*")) == [], "what is decoded is not kept"
        walk(client, "seek", 0, index=0)
        assert client.ask("add", box=[5, 150, 40, 50])["name"] == "target-1"  # the wrong thing
        assert overlap(walk(client, "pause", 19, on=False)["targets"][0], 19) < 0.1
        shown = walk(client, "seek", 10, index=10)
        client.ask("reselect", name="target-1", box=box(10))
        assert overlap(walk(client, "pause", 19, on=False)["targets"][0], 19) > 0.6
        walk(client, "seek", 10, index=10)
        client.say("backward")  # on its way pictures may be left out for newer ones: only the last is sure to come
        client.wait("status", lambda message: message["backward"])
        client.wait("status", lambda message: message["paused"])
        assert overlap(walk(client, "seek", 1, index=1)["targets"][0], 1) > 0.5
        assert client.ask("rename", name="target-1", to="a car")["name"] == "a-car"
        tracks = client.wait("tracks")["tracks"]
        assert [(track["name"], track["drawn"], track["runs"][0][0]) for track in tracks] == [("a-car", [0, 10], 0)]
        assert walk(client, "seek", 19, index=10**6)["index"] == 19, "behind the end is the end"
        assert "message" in client.ask("rename", name="x", to="y")
        assert client.ask("rename", name="a-car", to="", color=3)["name"] == "a-car"
        scenes = [message["scene"] for message in client.heard if message["type"] == "scene"]
        assert scenes[-1]["targets"][0]["color"] == 3
        assert client.ask("record", on=True) == {"type": "done", "about": "record", "on": True, "file": "overlay.mp4"}
        assert client.wait(("done", "error"))["file"] == "overlay.mp4"
        (tmp_path / "overlay.mp4").write_bytes(get(served, f"/sessions/{session}/files/overlay.mp4")[2])
        with open_source(tmp_path / "overlay.mp4") as overlay:
            pictures = list(overlay.read())
        assert len(pictures) == 20
        x, y, _, h = (round(value) for value in box(10))
        edge = pictures[10].image[y + h // 4 : y + 3 * h // 4, x - 4 : x + 5].reshape(-1, 3).astype(int)
        assert (edge[:, 1] - edge[:, 2]).max() > 60, "its box is green"
        assert shown["width"] == 320
        with zipfile.ZipFile(io.BytesIO(get(served, f"/sessions/{session}/results.zip")[2])) as archive:
            archive.extractall(tmp_path / "results")
        video = load_tracks(tmp_path / "results").videos[0]
        assert video.tracks[0].frames.tolist() == list(range(20))
        assert all(overlap({"box": xywh}, i) > 0.5 for i, xywh in enumerate(video.tracks[0].boxes_xywh) if i > 0)
        with zipfile.ZipFile(io.BytesIO(get(served, f"/sessions/{session}/labels/coco.zip")[2])) as archive:
            coco = json.loads(archive.read(archive.namelist()[0]))
        assert [category["name"] for category in coco["categories"]] == ["a-car"]
        assert len(coco["annotations"]) == 20
        assert get(served, f"/sessions/{session}/labels/nothing.zip")[0] == 404
    served.stop()
    again = serve_live(out=served.out)  # written at the end, whoever had not asked for it
    assert get(again, f"/sessions/{session}/results.zip")[0] == 200


def test_a_reload_finds_the_film_as_it_was_and_its_end_removes_it(serve_live: Serve, clip: Path) -> None:
    served = serve_live(grace_s=0.05, max_sessions=1)
    session = send(served, clip)
    with WebClient(served.url, "film", session) as client:
        client.wait("status", lambda message: message["filled"])  # else it goes as near as there are frames
        walk(client, "seek", 3, index=3)
        client.ask("add", box=box(3))
    with WebClient(served.url, "film", session) as client:
        assert client.picture()["scene"]["index"] == 3
        assert client.wait("tracks")["tracks"][0]["drawn"] == [3]
        status, text = ask(served, "POST", f"/videos?title=b.mp4&size={clip.stat().st_size}")
        assert status == 200
        status, text = ask(served, "PUT", f"/videos/{text['upload']}?at=0", clip.read_bytes())
        assert (status, "busy" in text) == (400, True)
    wait_until((served.out / "browser-1/target-1/boxes.csv").exists)
    with WebClient(served.url, None) as late:
        late.say("hello", version=1, mode="film", session=session)
        refusal = late.wait("refused")
        assert (refusal["gone"], "not here any more" in refusal["message"]) == (True, True)
        assert closed(late) == 4002
    assert list(served.out.glob(".videos/*")) == []


def test_of_sessions_that_have_ended_nothing_is_kept(serve_live: Serve, clip: Path) -> None:
    served = serve_live(grace_s=0.05)
    with uncollected(CameraSession, FilmSession, Film, FrameStore, Client, Captured) as alive:
        before = alive()  # of other tests
        with WebClient(served.url, "camera") as client:
            client.track(frame(0))
            client.ask("add", box=box(0))
        with WebClient(served.url, "film", send(served, clip)) as client:
            client.wait("status", lambda message: message["filled"])
            walk(client, "seek", 3, index=3)
            client.ask("add", box=box(3))
            assert alive() >= before + 5
        served.sessions.clear()
        wait_until(lambda: alive() <= before)


def test_a_full_disk_gets_back_what_a_film_took(tracker: Tracker, clip: Path, tmp_path: Path) -> None:
    film = Film(tracker.backend, tracker.config, FrameStore(lambda: open_source(clip), tmp_path), tmp_path / "out")
    (tmp_path / "out").write_text("no folder can be made here")
    wait_until(lambda: film.frames.filled)
    film.show(0)
    film.add(box(0))
    with pytest.raises(OutputError):
        FilmSession("name", film, Turns(), 60.0, lambda _: None).close("stopped")
    with pytest.raises(ValueError, match="closed file"):
        film.frames.read(1)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", "no video of a known kind"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "no video of a known kind"),
        (b"\0\0\0\x18ftypmp42 and nothing more", "cannot be"),
    ],
)
def test_what_is_no_video_is_refused_and_removed(serve_live: Serve, head: bytes, words: str) -> None:
    served = serve_live()
    upload = ask(served, "POST", f"/videos?title=a.mp4&size={len(head)}")[1]["upload"]
    status, text = ask(served, "PUT", f"/videos/{upload}?at=0", head)
    assert status == 400
    assert "\n" not in text
    assert words in text
    assert list(served.out.glob(".videos/*")) == []


@pytest.mark.parametrize(("index", "words"), [("last", "cannot be opened as a video"), ("first", "breaks off after 0 of")])
def test_a_video_without_a_frame_is_refused_by_the_name_that_its_client_gave_it(
    serve_live: Serve, clip: Path, tmp_path: Path, index: str, words: str
) -> None:
    served, path = serve_live(), tmp_path / "cut.mp4"
    ffmpeg("-i", clip, "-c:v", "libx264", *(["-movflags", "faststart"] if index == "first" else []), path)
    data = path.read_bytes()
    data = data[: data.index(b"mdat") + 40]
    upload = ask(served, "POST", f"/videos?title=mine.mp4&size={len(data)}")[1]["upload"]
    status, text = ask(served, "PUT", f"/videos/{upload}?at=0", data)
    assert status == 400
    assert text.startswith(f"mine.mp4 {words}")
    assert list(served.out.glob(".videos/*")) == []


@pytest.mark.parametrize("early", [False, True])
def test_the_last_piece_sent_again_hears_why_its_video_was_refused(
    serve_live: Serve, monkeypatch: pytest.MonkeyPatch, early: bool
) -> None:
    read_piece, reads = app.read_piece, threading.Semaphore(0)
    opened, refused = threading.Event(), threading.Event()

    async def reading(request: Any) -> bytes:
        reads.release()
        return await read_piece(request)

    def opening(path: Path) -> Source:
        opened.set()
        refused.wait(20)
        return open_source(path)

    monkeypatch.setattr(app, "read_piece", reading)
    monkeypatch.setattr(app, "open_source", opening)
    served = serve_live()
    piece = b"\0\0\0\x18ftypmp42" + bytes(100)
    upload = ask(served, "POST", f"/videos?title=a.mp4&size={len(piece)}")[1]["upload"]
    path, answers = f"/videos/{upload}?at=0", []
    first = threading.Thread(target=lambda: answers.append(ask(served, "PUT", path, piece)))
    again = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)

    def begin_again() -> None:
        again.putrequest("PUT", path)
        again.putheader("Origin", served.url.rstrip("/"))
        again.putheader("Content-Length", str(len(piece)))
        again.endheaders(piece[:50])
        assert reads.acquire(timeout=20)

    if early:
        begin_again()
    first.start()
    assert opened.wait(20)
    assert reads.acquire(timeout=20)
    if not early:
        begin_again()
    refused.set()
    first.join()
    again.send(piece[50:])
    answer = again.getresponse()
    assert [answers[0][0], answer.status] == [400, 400]
    assert ("not on its way any more" if early else answers[0][1]) in answer.read().decode()
    again.close()


def test_a_piece_that_comes_twice_at_once_is_kept_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, piece = Uploads(tmp_path / "videos"), b"\0\0\0\x18ftypmp42"
    upload = kept.begin("a", len(piece))
    writes, goes_on = threading.Semaphore(0), threading.Event()

    def slowly(_: Path) -> None:
        writes.release()
        goes_on.wait(20)

    monkeypatch.setattr(uploads, "make_folder", slowly)
    both = [threading.Thread(target=kept.add, args=(upload, 0, piece)) for _ in range(2)]
    for one in both:
        one.start()
    assert writes.acquire(timeout=20)
    writes.acquire(timeout=0.5)  # the other one's turn comes only later
    goes_on.set()
    for one in both:
        one.join()
    assert upload.path.read_bytes() == piece
    assert upload.whole
    kept.close()


def test_pieces_must_fit_and_files_be_of_a_size(serve_live: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = serve_live()
    for size in (0, MAX_VIDEO + 1):
        assert ask(served, "POST", f"/videos?title=a.mp4&size={size}")[0] == 400
    upload = ask(served, "POST", "/videos?title=a.mp4&size=100")[1]["upload"]
    for at, piece in ((0, b""), (5, b"x"), (0, bytes(101)), (0, bytes(5 * 2**20))):
        assert ask(served, "PUT", f"/videos/{upload}?at={at}", piece)[0] == 400
    assert ask(served, "PUT", "/videos/other?at=0", b"x")[0] == 400
    kept = Uploads(tmp_path / "videos")
    for _ in range(uploads.MAX_UPLOADS):
        first = kept.begin("a", 10)
        kept.add(first, 0, b"\0\0\0\x18ftyp")
    with pytest.raises(ValueError, match="busy"):
        kept.begin("b", 10)
    monkeypatch.setattr(uploads, "STALE_S", -1.0)
    kept.begin("c", 10)
    assert list((tmp_path / "videos").iterdir()) == [], "who sends nothing more is given up"
    kept.close()
    assert not (tmp_path / "videos").exists()
