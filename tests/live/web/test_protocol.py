from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.boxes import Box
from siamtrack.live.capture import Captured
from siamtrack.live.scene import Scene
from siamtrack.live.web import protocol
from siamtrack.live.web.protocol import MAX_TEXT, ProtocolError, pack_picture, pack_text, parse_picture, parse_text, scene_data
from siamtrack.tracking.result import State, TrackResult
from siamtrack.video.overlay import SeenTarget


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"hello","version":1,"mode":"source"}', protocol.Hello(1, "source")),
        ('{"type":"hello","version":1,"mode":"camera","session":"aB-_9"}', protocol.Hello(1, "camera", "aB-_9")),
        ('{"type":"ack","seq":7}', protocol.Ack(7)),
        ('{"type":"hold","seq":0}', protocol.Hold(0)),
        ('{"type":"release"}', protocol.Release()),
        ('{"type":"add","box":[1,2.5,-3,4]}', protocol.Add((1.0, 2.5, -3.0, 4.0))),
        ('{"type":"add","box":[1,2,3,4],"seq":9}', protocol.Add((1.0, 2.0, 3.0, 4.0), 9)),
        (
            '{"type":"reselect","name":"target-1","box":[1,2,3,4],"seq":null}',
            protocol.Reselect("target-1", (1.0, 2.0, 3.0, 4.0)),
        ),
        ('{"type":"remove","name":"target-1"}', protocol.Remove("target-1")),
        ('{"type":"pause","on":true}', protocol.Pause(True)),
        ('{"type":"step"}', protocol.Step()),
        ('{"type":"record","on":false}', protocol.Record(False)),
        ('{"type":"screenshot"}', protocol.Screenshot()),
        ('{"type":"ping","t":12.5}', protocol.Ping(12.5)),
    ],
)
def test_what_the_page_says_is_understood(text: str, message: object) -> None:
    assert parse_text(text) == message


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not JSON"),
        ("garbage", "not JSON"),
        ("[1]", "not an object"),
        ('"add"', "not an object"),
        ("{}", "no message type null"),
        ('{"type":"evil"}', 'no message type "evil"'),
        ('{"type":["add"]}', "no message type"),
        ('{"type":"ack"}', "ack.seq: Field required"),
        ('{"type":"ack","seq":-1}', "ack.seq is -1"),
        ('{"type":"ack","seq":1.5}', "ack.seq is 1.5"),
        ('{"type":"ack","seq":true}', "ack.seq is true"),
        ('{"type":"ack","seq":1e400}', "ack.seq is"),
        ('{"type":"ack","seq":1,"more":2}', "ack.more is 2: Unexpected keyword argument"),
        ('{"type":"add","box":[1,2,3]}', "add.box.3: Field required"),
        ('{"type":"add","box":"1,2,3,4"}', "Input should be a valid tuple"),
        ('{"type":"add","box":[1,2,3,NaN]}', "add.box.3 is NaN"),
        ('{"type":"add","box":[1,2,3,Infinity]}', "add.box.3 is Infinity"),
        ('{"type":"add","box":[1,2,3,1e300]}', "add.box.3 is 1e+300"),
        ('{"type":"add","box":[1,2,3,"4"]}', 'add.box.3 is "4"'),
        ('{"type":"add","box":[1,2,3,' + "9" * 3000 + "]}", "add.box.3 is"),
        ('{"type":"remove","name":"../../etc/passwd"}', "String should match pattern"),
        ('{"type":"remove","name":"' + "a" * 65 + '"}', "{0,64}"),
        ('{"type":"pause","on":1}', "valid boolean"),
        ('{"type":"pause","on":[[[[[[]]]]]]}', "nested"),
        ("[" * 4000, "nested"),
        ('{"type":"ping","t":"' + "x" * MAX_TEXT + '"}', "characters"),
    ],
)
def test_anything_else_is_refused_in_one_line(text: str, problem: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_text(text)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@given(st.text(max_size=200))
def test_no_text_does_harm(text: str) -> None:
    with pytest.raises(ProtocolError):
        parse_text(text)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.floats(), max_size=5)


@given(st.sampled_from(["hello", "ack", "add", "reselect", "remove", "pause", "record", "ping", "hold"]), st.data())
def test_no_values_do_harm(kind: str, data: st.DataObject) -> None:
    fields = ("version", "mode", "session", "seq", "box", "name", "on", "t")
    values = data.draw(st.dictionaries(st.sampled_from(fields), VALUES))
    try:
        message = parse_text(json.dumps({"type": kind, **values}))
    except ProtocolError:
        return
    assert type(message).__name__.lower() == kind
    assert all(np.isfinite(message.box)) if isinstance(message, protocol.Add) else True


def test_pictures_carry_their_number() -> None:
    assert parse_picture(struct.pack(">I", 260) + b"jpeg") == (260, b"jpeg")
    for short in (b"", b"abc", b"abcd"):
        with pytest.raises(ProtocolError, match="send its number in 4 bytes"):
            parse_picture(short)


def test_what_the_server_says_can_be_taken_apart() -> None:
    assert json.loads(pack_text("pong", t=1.5)) == {"type": "pong", "t": 1.5}
    data = pack_picture(b"jpeg", seq=3)
    (length,) = struct.unpack(">I", data[:4])
    assert json.loads(data[4 : 4 + length]) == {"seq": 3}
    assert data[4 + length :] == b"jpeg"
    with pytest.raises(ValueError, match="JSON"):
        pack_text("pong", t=float("nan"))  # a browser could not read it


def test_a_scene_is_plain_data() -> None:
    result = TrackResult(Box(1.234567, 2, 3, 4), 0.98765, State.LOST)
    frame = Captured(5, 0.2, np.zeros((240, 320, 3), np.uint8), 1.0)
    scene = Scene(frame, (SeenTarget("target-2", 2, result, ((1.0, 2.0), (3.0, 4.0))),), 12.345, 0.0123, True, "look")
    assert json.loads(json.dumps(scene_data(scene))) == {
        "index": 5,
        "time_s": 0.2,
        "width": 320,
        "height": 240,
        "fps": 12.35,
        "tracking_ms": 12.3,
        "recording": True,
        "notice": "look",
        "targets": [
            {
                "name": "target-2",
                "number": 2,
                "color": 2,
                "box": [1.23, 2, 3, 4],
                "score": 0.988,
                "state": "LOST",
                "trail": [1, 2, 3, 4],
            }
        ],
    }
