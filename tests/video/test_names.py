from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.video.names import is_address, printable, source_name, stem_of, usable_name, without_secrets


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("http://admin:S3cret@cam:8080/a/b@c.mp4", "http://***@cam:8080/a/b@c.mp4"),
        ("RTSP://S3cret@cam/live", "RTSP://***@cam/live"),
        ("http://admin:p@S3cret@cam", "http://***@cam"),
        ("rtsp://admin:S3/cret@cam/live", "rtsp://***@cam/live"),
        ("rtsp://admin:S3?cret@cam/live?k=S3cret", "rtsp://***@cam/live?k=***"),
        ("rtsp://cam/live?channel=1&subtype=00&token=S3cret", "rtsp://cam/live?channel=1&subtype=00&token=***"),
        ("https://b.s3.net/v.mp4?X-Amz-Signature=S3cret;sp=S3cret", "https://b.s3.net/v.mp4?X-Amz-Signature=***&sp=***"),
        ("http://cam/live?S3cret", "http://cam/live?***"),
        ("http://cam/live#key=S3cret", "http://cam/live#***"),
        ("srt://cam:9000?passphrase=S3cret", "srt://cam:9000?passphrase=***"),
        ("http:/admin:S3cret@cam/live", "http:/***@cam/live"),  # one slash too few: it is not found, but shown
        ("http://host/@user/v.mp4", "http://host/@user/v.mp4"),
        ("http://[::1]:80/v.mp4", "http://[::1]:80/v.mp4"),
        ("clips/10:30@home?x=1.mp4", "clips/10:30@home?x=1.mp4"),
        ("C:\\clips\\a.mp4", "C:\\clips\\a.mp4"),
        ("file:///clips/a@b.mp4?c=def", "file:///clips/a@b.mp4?c=def"),
        ("clips/\udcff\u00e9\n\x1b[1m.mp4", "clips/\\xff\u00e9\\n\\x1b[1m.mp4"),
    ],
)
def test_names_have_no_secrets_and_can_be_printed(source: str, name: str) -> None:
    assert source_name(source) == name
    assert "S3" not in name


def test_addresses_within_a_text_are_masked_too() -> None:
    text = 'line {"video": "rtsp://u:S3cret@h/x?t=S3cret", "b": "http://v/w"} and a.mp4'
    assert without_secrets(text) == 'line {"video": "rtsp://***@h/x?t=***", "b": "http://v/w"} and a.mp4'


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("clips/a b.mp4", "a b"),
        ("frames/*.jpg", "frames"),
        ("runs [1]/*/left/**/*.png", "left"),
        ("shot[0-9].png", "shot[0-9]"),
        ("*.jpg", "video"),
        ("/*.jpg", "video"),
        ("http://cam/live.m3u8?k=1", "live"),
        ("-", "standard input"),
    ],
)
def test_what_a_folder_of_results_is_called(source: str, name: str) -> None:
    assert usable_name(stem_of("standard input" if source == "-" else source)) == name


def test_what_is_an_address() -> None:
    assert is_address("rtsp://cam/live")
    assert not any(map(is_address, ("a:b.mp4", "file:///a.mp4", "concat:a", "a/b://c", "http:/x")))


@given(st.text(st.characters(codec=None), max_size=20))
def test_any_text_becomes_printable_once(text: str) -> None:
    once = printable(text)
    assert printable(once) == once
    once.encode()


@given(st.text("ab:/?#@&=;1", max_size=30))
def test_no_login_is_shown_whatever_follows(rest: str) -> None:
    assert "S3cret" not in source_name(f"http://user:S3cret@cam/{rest}")
    assert "S3cret" not in source_name(f"http://user:ab/S3cret@cam/{rest}")
    assert "S3cret" not in source_name(f"http://cam/a?{rest}&token=S3cret")
