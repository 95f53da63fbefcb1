from __future__ import annotations

import pytest

from siamtrack.live.web.access import MIN_TOKEN, Access, is_loopback

TOKEN = "t" * MIN_TOKEN


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LocalHost", "page.localhost"])
def test_this_machine_needs_no_token(host: str) -> None:
    access = Access(host)
    assert access.loopback
    assert access.token == ""
    assert access.admits("")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", ""])
def test_every_other_address_gets_a_token_of_its_own(host: str) -> None:
    first, second = Access(host), Access(host)
    assert not first.loopback
    assert len(first.token) >= 32
    assert first.token != second.token
    assert first.admits(first.token)
    for wrong in ("", second.token, first.token + "x", first.token[:-1], "é" * 40):
        assert not first.admits(wrong)


def test_a_given_token_counts_everywhere() -> None:
    for host in ("127.0.0.1", "0.0.0.0"):
        access = Access(host, TOKEN)
        assert access.token == TOKEN
        assert access.admits(TOKEN)
        assert not access.admits("")


def test_a_new_token_can_be_asked_for_on_a_machine_that_others_use() -> None:
    first, second = Access("127.0.0.1", "new"), Access("127.0.0.1", "new")
    assert len(first.token) >= 32
    assert first.token != second.token
    assert not first.admits("")


@pytest.mark.parametrize("token", ["short", "with space and more", "semi;colon;semi;colon", "ümlaut-ümlaut-ümlaut"])
def test_a_token_must_be_long_and_plain(token: str) -> None:
    with pytest.raises(ValueError, match=f"at least {MIN_TOKEN} of letters"):
        Access("0.0.0.0", token)


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:9", "localhost", "[::1]:8765", "LOCALHOST:1"])
def test_on_this_machine_its_own_names_are_answered(host: str) -> None:
    assert Access("127.0.0.1").refuse_host(host) == ""


@pytest.mark.parametrize(
    "host", ["evil.example:8765", "127.0.0.1.evil.example", "192.168.1.4:8765", "localhost.evil.example", "[fe80::1]"]
)
def test_on_this_machine_a_foreign_name_is_an_attack(host: str) -> None:
    assert "open it as 127.0.0.1" in Access("127.0.0.1").refuse_host(host)
    assert Access("0.0.0.0").refuse_host(host) == ""  # there the token decides


@pytest.mark.parametrize("host", ["", "a b", "a/b", "user@127.0.0.1", "127.0.0.1:", "127.0.0.1:123456", "127.0.0.1\r\nx: y"])
def test_a_host_that_is_none_is_refused_everywhere(host: str) -> None:
    assert Access("127.0.0.1").refuse_host(host)
    assert Access("0.0.0.0").refuse_host(host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8765", "127.0.0.1:8765"),
        ("http://LOCALHOST:8765", "localhost:8765"),
        ("http://[::1]:8765", "[::1]:8765"),
        ("http://localhost", "localhost"),
        ("http://localhost", "localhost:80"),
        ("https://tracker.example", "tracker.example:443"),  # behind a proxy that speaks https
    ],
)
def test_the_server_s_own_page_may_connect(origin: str, host: str) -> None:
    assert Access("127.0.0.1").refuse_origin(origin, host) == ""


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "file://",
        "http://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:8766",
        "http://localhost:8765",
        "http://127.0.0.1:8765.evil.example",
        "http://evil@127.0.0.1:8765",
        "http://[",
        "ftp://127.0.0.1:8765",
    ],
)
def test_no_other_page_may(origin: str) -> None:
    assert Access("127.0.0.1").refuse_origin(origin, "127.0.0.1:8765")


def test_no_name_server_is_asked() -> None:
    assert not is_loopback("a-name-that-nobody-has.invalid")
