"""What a WebSocket URI means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa.errors import SocketError
from lasa.websocket._wire.uri import parse_uri


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "authority", "path"),
    [
        ("ws://example.com", "ws", "example.com", 80, "example.com", "/"),
        ("wss://example.com", "wss", "example.com", 443, "example.com", "/"),
        ("WS://EXAMPLE.com/Chat?a=B", "ws", "example.com", 80, "example.com", "/Chat?a=B"),
        ("wSs://example.com:8443/", "wss", "example.com", 8443, "example.com:8443", "/"),
        ("ws://example.com:/a", "ws", "example.com", 80, "example.com", "/a"),
        ("ws://example.com:80/a", "ws", "example.com", 80, "example.com", "/a"),
        ("ws://example.com:443/a", "ws", "example.com", 443, "example.com:443", "/a"),
        ("wss://example.com:80/a", "wss", "example.com", 80, "example.com:80", "/a"),
        ("wss://[::1]:443/a", "wss", "::1", 443, "[::1]", "/a"),
        ("ws://h?q", "ws", "h", 80, "h", "/?q"),
        ("ws://127.0.0.1:65535/a/../b", "ws", "127.0.0.1", 65535, "127.0.0.1:65535", "/a/../b"),
        ("ws://[::1]/", "ws", "::1", 80, "[::1]", "/"),
        ("wss://[2001:DB8:0:0::1]:81/", "wss", "2001:db8::1", 81, "[2001:db8::1]:81", "/"),
        ("ws://[fe80::1%25eth0]/", "ws", "fe80::1%eth0", 80, "[fe80::1]", "/"),
        ("ws://Bücher.example/é", "ws", "xn--bcher-kva.example", 80, "xn--bcher-kva.example", "/%C3%A9"),
    ],
)
def test_a_uri_says_whom_to_talk_to_and_what_to_ask_for(
    text: str, scheme: str, host: str, port: int, authority: str, path: str
) -> None:
    uri = parse_uri(text)
    assert (uri.scheme, uri.host, uri.port) == (scheme, host, port)
    assert (uri.authority, uri.path) == (authority, path)
    assert uri.is_secure is (scheme == "wss")
    assert (uri.userinfo, uri.unix_path) == (None, None)


@pytest.mark.parametrize(
    ("text", "unix_path", "path"),
    [
        ("ws://unix:/run/a.sock:/chat?x", "/run/a.sock", "/chat?x"),
        ("wss://unix:/run/a.sock:", "/run/a.sock", "/"),
        ("ws://unix:/run/a.sock", "/run/a.sock", "/"),
        ("ws://unix:/run/100%41.sock:/", "/run/100%41.sock", "/"),
    ],
)
def test_a_uri_may_name_a_unix_socket(text: str, unix_path: str, path: str) -> None:
    uri = parse_uri(text)
    assert (uri.unix_path, uri.path) == (unix_path, path)
    assert (uri.host, uri.authority, uri.server_name) == ("localhost", "localhost", "localhost")


def test_user_and_password_are_decoded_and_stay_out_of_the_repr() -> None:
    uri = parse_uri("wss://ann:s%40cret@example.com/")
    assert uri.userinfo == ("ann", "s@cret")
    assert uri.authority == "example.com"
    assert "cret" not in repr(uri)


@pytest.mark.parametrize(
    ("text", "name"),
    [("wss://h.example.", "h.example"), ("wss://[fe80::1%eth0]", "fe80::1"), ("wss://A.example:1", "a.example")],
)
def test_the_server_name_is_what_tls_can_verify(text: str, name: str) -> None:
    assert parse_uri(text).server_name == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ws",
        "ws:",
        "ws:/",
        "ws://",
        "ws:///path",
        "//h/",
        "h",
        "http://h/",
        "https://h/",
        "wsss://h/",
        "w\u017f://h/",
        "w\u017fs://h/",
        " ws://h/",
        "ws://h/ ",
        "ws://h /",
        "ws://h#f",
        "ws://h/#",
        "ws://h/a?b#c",
        "ws://unix:/a.sock:/#f",
        "ws://h:0",
        "ws://h:65536",
        "ws://h:x",
        "ws://h:-1",
        "ws://[::1",
        "ws://[::g]",
        "ws://::1",
        "ws://127.1",
        "ws://0x7f.1",
        "ws://h\\@evil/",
        "ws://a..b",
        "ws://-%41.example",
        "ws://unix:a.sock",
        "ws://unix:/a.sock:uri",
        b"http://h/",
    ],
)
def test_anything_else_is_a_bad_websocket_uri(text: str | bytes) -> None:
    with pytest.raises(SocketError) as caught:
        parse_uri(text)
    assert caught.value.reason == "bad websocket uri"


@pytest.mark.parametrize("text", ["ws://h/\r\nX: 1", "\x00", "ws://h/a\tb", "ws://h\x7f", "ws://unix:/a\x00b:/"])
def test_a_control_character_in_a_uri_raises(text: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        parse_uri(text)


@pytest.mark.parametrize("value", [None, 1, ["ws://h"], "ws://é".encode()])
def test_what_is_no_string_is_no_uri(value: object) -> None:
    with pytest.raises(TypeError, match="bad websocket uri: string expected"):
        parse_uri(value)  # type: ignore[arg-type]


def test_a_uri_may_be_ascii_bytes() -> None:
    assert parse_uri(b"ws://h/a") == parse_uri("ws://h/a")


@given(st.text() | st.from_regex(r"(?i:wss?)://[a-z@:\[\]/?#.%\\0-9 ]*", fullmatch=True))
def test_any_text_is_a_uri_or_an_error(text: str) -> None:
    try:
        uri = parse_uri(text)
    except (SocketError, ValueError) as caught:
        error = caught
    else:
        assert uri.path.startswith("/")
        assert uri.path.isascii()
        assert uri.path.isprintable()
        assert "#" not in uri.path
        assert 0 < uri.port < 65536
        return
    if isinstance(error, SocketError):
        assert error.reason == "bad websocket uri"
    else:
        assert any(ord(one) < 0x20 or ord(one) == 0x7F or 0xD800 <= ord(one) <= 0xDFFF for one in text)
