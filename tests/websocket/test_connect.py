"""How a WebSocket for frames is opened, over real sockets: options and failures of clients, servers that accept."""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.queue import Queue

import lasa
from lasa import thread, websocket
from lasa.websocket.client import ClientWebSocket
from tests.conftest import Certificates
from tests.helpers import settle
from tests.http.client_tools import Script, Wire, answer_and_close, in_use, peer, silent, sized, tls_context
from tests.socket.tools import free_address, result_of, silent_listener, spawn_blocked
from tests.websocket.tools import (
    BINARY,
    CLOSE,
    KEY,
    PING,
    TEXT,
    Far,
    accept_of,
    accepted,
    accepting,
    answer_of,
    client_and_far,
    connected,
    frame,
    header_values,
    no_light_thread_left,
    nothing_left,
    raw_client,
    raw_connection,
    request,
    shake_hands,
    shrink_buffer,
    staying,
)

PATIENCE_MS = 5_000
SHORT_MS = 30


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with nothing_left():
        yield


def new(**options: Any) -> ClientWebSocket:
    wb, err = websocket.client.new({"timeout": PATIENCE_MS, **options})
    assert err is None
    return wb


def attempt(uri: str, options: dict[str, Any] | None = None, **new_options: Any) -> tuple[ClientWebSocket, Any]:
    """Connect, and end what has been opened; returns the object and the result."""
    wb = new(**new_options)
    result = wb.connect(uri, options)
    assert wb.is_open is (result == (1, None))
    wb.abort()
    return wb, result


def error_of(uri: str, options: dict[str, Any] | None = None, **new_options: Any) -> str:
    wb, (ok, err) = attempt(uri, options, **new_options)
    assert ok is None
    assert isinstance(err, str)
    assert wb.close() == (None, "closed")
    return err


def request_of(options: dict[str, Any], path: str = "/", userinfo: str = "") -> bytes:
    """The head that a client sends."""
    heads: list[bytes] = []
    with peer(lambda wire: heads.append(shake_hands(wire))) as server:
        _, result = attempt(f"ws://{userinfo}127.0.0.1:{server.port}{path}", options)
        assert result == (1, None)
    return heads[0].replace(b":%d\r\n" % server.port, b":PORT\r\n")


# new()


@pytest.mark.parametrize(
    "options",
    [
        None,
        {},
        {"timeout": 100},
        {"timeout": None},
        {"timeout": "100"},
        {"max_payload_len": 1, "max_recv_len": 2**31 - 1, "max_send_len": "7"},
        {"max_payload_len": None},
        {"send_unmasked": True},
        {"send_unmasked": None},
    ],
)
def test_a_client_is_made_by_a_mapping_or_by_keywords(options: dict[str, Any] | None) -> None:
    for wb, err in (websocket.client.new(options), websocket.client.new(**(options or {}))):
        assert isinstance(wb, websocket.WebSocket)
        assert err is None
        assert not wb.is_open


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"time_out": 1}, ValueError, 'unknown option "time_out"'),
        ({"send_masked": True}, ValueError, 'unknown option "send_masked"'),
        ({"timeout": 2**31}, ValueError, "bad timeout value"),
        ({"max_payload_len": 0}, ValueError, 'bad "max_recv_len" option value: 0'),
        ({"max_payload_len": True}, ValueError, "option value: True"),
        ({"max_recv_len": -1}, ValueError, 'bad "max_recv_len" option value: -1'),
        ({"max_send_len": 2**31}, ValueError, 'bad "max_send_len" option value'),
        ({"max_send_len": "x"}, ValueError, 'bad "max_send_len" option value'),
        ({"send_unmasked": 1}, TypeError, 'bad "send_unmasked" option type: int'),
        ({"send_unmasked": "yes"}, TypeError, 'bad "send_unmasked" option type: str'),
    ],
    ids=repr,
)
def test_a_bad_option_of_a_client_raises(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        websocket.client.new(options)


@pytest.mark.parametrize("options", [5, "timeout", [("timeout", 1)]])
def test_options_of_a_client_that_are_no_mapping_raise(options: Any) -> None:
    with pytest.raises(TypeError, match="bad options: mapping expected"):
        websocket.client.new(options)


# The request


def test_a_client_asks_for_what_the_uri_says() -> None:
    head = request_of({}, "/chat?room=1&x=%20")
    lines = head.split(b"\r\n")
    assert lines[0] == b"GET /chat?room=1&x=%20 HTTP/1.1"
    assert header_values(head, b"Host") == [b"127.0.0.1:PORT"]
    assert header_values(head, b"Upgrade") == [b"websocket"]
    assert header_values(head, b"Connection") == [b"Upgrade"]
    assert header_values(head, b"Sec-WebSocket-Version") == [b"13"]
    (key,) = header_values(head, b"Sec-WebSocket-Key")
    assert len(base64.b64decode(key)) == 16
    for name in (b"Origin", b"Sec-WebSocket-Protocol", b"Sec-WebSocket-Extensions", b"Authorization", b"Cookie"):
        assert header_values(head, name) == []


def test_each_request_has_a_key_of_its_own() -> None:
    keys = {header_values(request_of({}), b"Sec-WebSocket-Key")[0] for _ in range(5)}
    assert len(keys) == 5


@pytest.mark.parametrize(("path", "target"), [("", b"/"), ("/", b"/"), ("?a=b", b"/?a=b"), ("/a b", None)])
def test_an_empty_path_is_a_slash(path: str, target: bytes | None) -> None:
    if target is not None:
        assert request_of({}, path).startswith(b"GET %b HTTP/1.1\r\n" % target)
    else:
        assert request_of({}, path).startswith(b"GET /a%20b HTTP/1.1\r\n")


BASIC = b"Basic " + base64.b64encode(b"user:pass word")


@pytest.mark.parametrize(
    ("options", "name", "values"),
    [
        ({"protocols": "chat"}, b"Sec-WebSocket-Protocol", [b"chat"]),
        ({"protocols": ["chat", "v2.chat"]}, b"Sec-WebSocket-Protocol", [b"chat, v2.chat"]),
        ({"protocols": "chat, v2.chat"}, b"Sec-WebSocket-Protocol", [b"chat, v2.chat"]),
        ({"protocols": []}, b"Sec-WebSocket-Protocol", []),
        ({"origin": "https://example.com"}, b"Origin", [b"https://example.com"]),
        ({"headers": ["X-A: 1", "X-A: 2", "X-B: c"]}, b"X-A", [b"1", b"2"]),
        ({"headers": {"X-A": "1", "X-B": ["2", "3"]}}, b"X-B", [b"2", b"3"]),
        ({"headers": [("X-A", "1")]}, b"X-A", [b"1"]),
        ({"headers": ["User-Agent: me"]}, b"User-Agent", [b"me"]),
        ({"headers": {"User-Agent": None}}, b"User-Agent", []),
        ({"headers": ["Host: other"]}, b"Host", [b"other"]),
        ({"host": "example.com:81"}, b"Host", [b"example.com:81"]),
        ({"host": "no.name!of=TLS"}, b"Host", [b"no.name!of=TLS"]),
        ({"key": KEY}, b"Sec-WebSocket-Key", [KEY.encode()]),
        ({"auth": ("user", "pass word")}, b"Authorization", [BASIC]),
        ({"compression": False}, b"Sec-WebSocket-Extensions", []),
        ({"protocols": None, "origin": None, "headers": None, "host": None, "key": None, "auth": None}, b"Origin", []),
    ],
    ids=repr,
)
def test_each_option_has_its_header(options: dict[str, Any], name: bytes, values: list[bytes]) -> None:
    assert header_values(request_of(options), name) == values


def test_a_client_for_frames_offers_compression_only_if_asked_to() -> None:
    (offers,) = header_values(request_of({"compression": True}), b"Sec-WebSocket-Extensions")
    assert all(offer.strip().startswith(b"permessage-deflate") for offer in offers.split(b","))


def test_options_may_be_keywords_and_the_mapping_goes_before_them() -> None:
    heads: list[bytes] = []
    with peer(lambda wire: heads.append(shake_hands(wire))) as server:
        wb = new()
        assert wb.connect(f"ws://127.0.0.1:{server.port}/", {"origin": "a:b"}, origin="c:d", host="h") == (1, None)
        wb.abort()
    assert header_values(heads[0], b"Origin") == [b"a:b"]
    assert header_values(heads[0], b"Host") == [b"h"]


def test_user_and_password_of_the_uri_are_sent() -> None:
    head = request_of({}, userinfo="user:pass%20word@")
    assert header_values(head, b"Authorization") == [BASIC]
    assert header_values(head, b"Host") == [b"127.0.0.1:PORT"]


def test_the_request_leaves_in_one_piece_and_nothing_behind_it() -> None:
    with peer(silent) as server:
        wb = new()
        connecting = spawn_blocked(wb.connect, f"ws://127.0.0.1:{server.port}/")
        settle()
        data = server.wires[0]._data
        assert data.startswith(b"GET / HTTP/1.1\r\n")
        assert data.endswith(b"\r\n\r\n")
        assert data.count(b"\r\n\r\n") == 1
        thread.kill(connecting)


# The caller's mistakes


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"headers": "X: y"}, TypeError, "custom headers must be a mapping or a list"),
        ({"headers": 5}, TypeError, "custom headers must be a mapping or a list"),
        ({"headers": ["no colon"]}, ValueError, "bad header"),
        ({"headers": ["X: a\r\nY: b"]}, ValueError, "bad header value of 'X'"),
        ({"headers": ["X y: a"]}, ValueError, "bad header name"),
        ({"headers": ["Sec-WebSocket-Version: 8"]}, ValueError, "the handshake's own"),
        ({"headers": {"Connection": "close"}}, ValueError, "the handshake's own"),
        ({"headers": {"Content-Length": "5"}}, ValueError, "the handshake's own"),
        ({"host": 5}, TypeError, "custom host header must be a string"),
        ({"host": "a\r\nb"}, ValueError, "bad header value of 'Host'"),
        ({"server_name": 5}, TypeError, "SSL server_name must be a string"),
        ({"server_name": "a b"}, ValueError, "server_name"),
        ({"key": 5}, TypeError, "custom Sec-WebSocket-Key must be a string"),
        ({"key": "short"}, ValueError, "bad Sec-WebSocket-Key"),
        ({"protocols": 5}, TypeError, "bad protocols"),
        ({"protocols": ["a b"]}, ValueError, "bad protocol"),
        ({"protocols": ["a", "a"]}, ValueError, "bad protocol"),
        ({"origin": 5}, TypeError, "bad origin"),
        ({"origin": "a\nb"}, ValueError, "bad header value of 'Origin'"),
        ({"auth": 5}, TypeError, "bad auth"),
        ({"ssl_verify": "yes"}, ValueError, 'bad "ssl_verify" option value'),
        ({"ssl_ca": 5}, TypeError, 'bad "ssl_ca" option'),
        ({"ssl_ca": "/nowhere/ca.pem"}, ValueError, "bad certificate or authorities"),
        ({"client_cert": "/nowhere.pem"}, ValueError, "client_priv_key must be provided with client_cert"),
        ({"client_priv_key": "/nowhere.pem"}, ValueError, "without ssl_cert"),
        ({"client_cert": "/nowhere.pem", "client_priv_key": "/nowhere.pem"}, ValueError, "bad certificate"),
        ({"ssl_context": 5}, TypeError, "ssl_context"),
        ({"pool": []}, TypeError, 'bad "pool" option type'),
        ({"pool_size": 0}, ValueError, 'bad "pool_size" option value'),
        ({"pool_size": "x"}, TypeError, 'bad "pool_size" option type'),
        ({"backlog": -1}, ValueError, 'bad "backlog" option value'),
        ({"proxy": "ftp://x"}, ValueError, "unsupported proxy scheme"),
        ({"proxy": 5}, TypeError, "bad proxy"),
        ({"open_timeout_s": 0}, ValueError, 'bad "open_timeout_s" option value: 0'),
        ({"open_timeout_s": "x"}, ValueError, "bad \"open_timeout_s\" option value: 'x'"),
        ({"compression": 5}, TypeError, 'bad "compression" option type'),
        ({"max_message": 0}, ValueError, 'bad "max_message" option value: 0'),
        ({"ping_interval_s": -1}, ValueError, 'bad "ping_interval_s" option value: -1'),
        ({"protocol": "chat"}, ValueError, 'unknown option "protocol", did you mean "protocols"'),
        ({"timeout": 5}, ValueError, 'unknown option "timeout"'),
    ],
    ids=repr,
)
def test_a_bad_option_raises_and_nothing_happens(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with peer(staying(shake_hands)) as server:
        wb = new()
        uri = f"ws://127.0.0.1:{server.port}/"
        assert wb.connect(uri) == (1, None)
        with pytest.raises(error, match=text):
            wb.connect(uri, options)
        settle()
        assert server.connections == 1
        assert wb.is_open
        assert wb.send_text("still there")[1] is None
        wb.abort()


@pytest.mark.parametrize("options", [5, "protocols", ["origin"]])
def test_options_that_are_no_mapping_raise(options: Any) -> None:
    with pytest.raises(TypeError, match="bad options: mapping expected"):
        new().connect("ws://127.0.0.1:1/", options)


@pytest.mark.parametrize("uri", [None, 5, b"\xff", ["ws://h/"]])
def test_a_uri_that_is_no_string_raises(uri: Any) -> None:
    with pytest.raises(TypeError, match="bad websocket uri"):
        new().connect(uri)


@pytest.mark.parametrize("uri", ["ws://h/\n", "ws://h\r\n/", "ws://h/\x00", "ws://h/\ud800"])
def test_a_uri_that_would_break_the_request_raises(uri: str) -> None:
    with pytest.raises(ValueError):
        new().connect(uri)


@pytest.mark.parametrize(
    "uri", ["", "http://h/", "ws:/h", "ws://", "ws:///x", "ws://h:0/", "ws://h:65536/", "ws://h:x/", "h", "ws://h/#f"]
)
def test_a_uri_that_is_none_is_told(uri: str) -> None:
    assert error_of(uri) == "bad websocket uri"


def test_a_bad_uri_leaves_the_connection_alone() -> None:
    with client_and_far() as (wb, far):
        assert wb.connect("http://127.0.0.1/") == (None, "bad websocket uri")
        assert wb.send_text("still there")[1] is None
        far.next_is(TEXT, b"still there")


# Failures on the way


def test_nobody_listens() -> None:
    ip, port = free_address()
    assert error_of(f"ws://{ip}:{port}/") == "failed to connect: connection refused"


def test_a_name_that_nobody_has() -> None:
    err = error_of("ws://no-such-name.invalid/")
    assert err.startswith("failed to connect: no-such-name.invalid could not be resolved (")


@pytest.mark.parametrize("options", [{"timeout": SHORT_MS}, {}], ids=["timeout", "open_timeout_s"])
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_host_that_does_not_answer(options: dict[str, Any], scheme: str) -> None:
    with silent_listener() as (ip, port):
        asked = {} if options else {"open_timeout_s": SHORT_MS / 1000}
        assert error_of(f"{scheme}://{ip}:{port}/", asked, **options) == "failed to connect: timeout"


@pytest.mark.parametrize("options", [{"timeout": SHORT_MS}, {}], ids=["timeout", "open_timeout_s"])
def test_a_server_that_never_answers(options: dict[str, Any]) -> None:
    with peer(silent) as server:
        asked = {} if options else {"open_timeout_s": SHORT_MS / 1000}
        err = error_of(f"ws://127.0.0.1:{server.port}/", asked, **options)
    assert err == "failed to receive response header: timeout"


def test_a_server_that_takes_nothing() -> None:
    with peer(staying(lambda wire: None)) as server:
        options = {"headers": {"X": "x" * 16_000_000}}
        err = error_of(f"ws://127.0.0.1:{server.port}/", options, timeout=SHORT_MS)
    assert err == "failed to send the handshake request: timeout"


def test_all_steps_together_have_to_be_over_in_time() -> None:
    def trickle(wire: Wire) -> None:
        for byte in answer_of(wire.head(), b"X: " + b"x" * 10_000):
            wire.send(bytes((byte,)))
            gevent.sleep(0.002)

    with peer(trickle) as server:
        started_us = lasa.monotonictime()
        err = error_of(f"ws://127.0.0.1:{server.port}/", {"open_timeout_s": 0.05})
        assert err == "failed to receive response header: timeout"
        assert (lasa.monotonictime() - started_us) / 1e6 < 2


def test_a_server_that_breaks_the_connection() -> None:
    with peer(lambda wire: (wire.head(), wire.reset())) as server:
        err = error_of(f"ws://127.0.0.1:{server.port}/")
    assert err == "failed to receive response header: connection reset by peer"


@pytest.mark.parametrize("with_extra", [False, True])
def test_an_answer_that_is_cut_at_any_byte_says_closed(with_extra: bool) -> None:
    fields = (b"Sec-WebSocket-Protocol: chat", b"X-A: b") if with_extra else ()

    def script(wire: Wire) -> None:
        wire.send(answer_of(wire.head(), *fields)[: wire.index])

    whole = len(answer_of(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: %b\r\n" % KEY.encode(), *fields))
    with peer(script) as server:
        wb = new()
        for _ in range(whole):
            assert wb.connect(f"ws://127.0.0.1:{server.port}/", protocols="chat") == (
                None,
                "failed to receive response header: closed",
            )
            assert wb.response is None
        assert wb.connect(f"ws://127.0.0.1:{server.port}/", protocols="chat") == (1, None)
        wb.abort()
        assert server.connections == whole + 1


# Answers


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ((b"Upgrade: websocket", b"X: y"), 'bad "upgrade" response header: nil'),
        ((b"Upgrade: websocket", b"Upgrade: h2c"), 'bad "upgrade" response header: h2c'),
        ((b"Connection: Upgrade", b"X: y"), 'bad "connection" response header'),
        ((b"Connection: Upgrade", b"Connection: close"), 'bad "connection" response header'),
        ((b"Sec-WebSocket-Accept: ", b"Sec-WebSocket-Accept: x"), 'bad "sec-websocket-accept" response header'),
        ((b"Sec-WebSocket-Accept", b"X-Accept"), 'bad "sec-websocket-accept" response header'),
        ((b"HTTP/1.1 101", b"HTTP/1.1 204"), "bad HTTP response status line: HTTP/1.1 204 Switching Protocols"),
        ((b"HTTP/1.1 101", b"HTTP/1.0 101"), "bad HTTP response status line: HTTP/1.0 101 Switching Protocols"),
        ((b"HTTP/1.1 101", b"HTTP/2.0 101"), "failed to receive response header: HTTP version not supported"),
        ((b"X: y", b"Sec-WebSocket-Protocol: other"), 'bad "sec-websocket-protocol" response header: other'),
        ((b"X: y", b"Sec-WebSocket-Protocol: a, b"), 'bad "sec-websocket-protocol" response header: a, b'),
        (
            (b"X: y", b"Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b"),
            'bad "sec-websocket-protocol" response header: a, b',
        ),
        (
            (b"X: y", b"Sec-WebSocket-Extensions: permessage-deflate"),
            'bad "sec-websocket-extensions" response header: unknown extension',
        ),
        ((b"X: y", b"no colon"), "failed to receive response header: bad header line"),
    ],
    ids=repr,
)
def test_an_answer_that_does_not_agree_is_refused(change: tuple[bytes, bytes], word: str) -> None:
    def script(wire: Wire) -> None:
        answer = answer_of(wire.head(), b"X: y")
        assert change[0] in answer
        wire.send(answer.replace(*change, 1))
        ended.append(wire.rest())

    ended: list[bytes] = []
    with peer(script) as server:
        wb, result = attempt(f"ws://127.0.0.1:{server.port}/", {"protocols": ["a", "b"]})
        assert result == (None, word)
        settle()
        assert ended == [b""]
    if word.startswith("failed to receive"):
        assert wb.response is None
    else:
        assert wb.response is not None
        assert wb.response.code in (101, 204)


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (b"\x16\x03\x01\x00\x02\x02\x28", "bad first line"),
        (b"HTTP/1.1 101 x\r\nX: " + b"x" * 100_000, "head too large"),
        (b"HTTP/1.1 101 x\r\n" + b"X: y\r\n" * 1000 + b"\r\n", "too many headers"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 50, "too many informational responses"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 5, "closed"),
        (b"", "closed"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_an_answer_that_is_no_http_is_told(answer: bytes, word: str) -> None:
    with peer(answer_and_close(answer)) as server:
        wb, result = attempt(f"ws://127.0.0.1:{server.port}/")
        assert result == (None, f"failed to receive response header: {word}")
        assert wb.response is None


def test_informational_answers_before_the_101_are_passed_over() -> None:
    def script(wire: Wire) -> None:
        wire.send(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 3 + answer_of(wire.head()))
        wire.rest()

    with peer(script) as server:
        assert attempt(f"ws://127.0.0.1:{server.port}/")[1] == (1, None)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (sized(b"not you", b"X-Why: because", status=b"403 Forbidden"), b"not you"),
        (sized(b"", b"X-Why: because", status=b"403 Forbidden"), b""),
        (
            b"HTTP/1.1 403 Forbidden\r\nX-Why: because\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            b"abc",
        ),
        (b"HTTP/1.1 403 Forbidden\r\nX-Why: because\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 403 Forbidden\r\nX-Why: because\r\nContent-Length: 9\r\n\r\ncut", b"cut"),
        (b"HTTP/1.1 403 Forbidden\r\nX-Why: because\r\nContent-Length: 9000000\r\n\r\ntoo large", b""),
    ],
    ids=["sized", "empty", "chunked", "to the end", "cut", "too large"],
)
def test_a_refusal_can_be_read(answer: bytes, body: bytes) -> None:
    with peer(answer_and_close(answer)) as server:
        wb, result = attempt(f"ws://127.0.0.1:{server.port}/path")
        assert result == (None, "bad HTTP response status line: HTTP/1.1 403 Forbidden")
        response = wb.response
        assert response is not None
        assert (response.code, response.status, response.body) == (403, "Forbidden", body)
        assert response.headers["x-why"] == "because"
        assert response.url == f"ws://127.0.0.1:{server.port}/path"
        assert not wb.is_open


@pytest.mark.parametrize("options", [{"timeout": SHORT_MS}, {}], ids=["timeout", "open_timeout_s"])
def test_a_refusal_whose_body_does_not_come_is_one_all_the_same(options: dict[str, Any]) -> None:
    refusal = b"HTTP/1.1 503 Later\r\nContent-Length: 9\r\n\r\nsome"
    asked = {} if options else {"open_timeout_s": SHORT_MS / 1000}
    with peer(staying(lambda wire: (wire.head(), wire.send(refusal)))) as server:
        wb, result = attempt(f"ws://127.0.0.1:{server.port}/", asked, **options)
    assert result == (None, "bad HTTP response status line: HTTP/1.1 503 Later")
    assert wb.response is not None
    assert wb.response.body == b"some"


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified", b"301 Moved", b"426 Upgrade Required"])
def test_any_other_status_is_a_refusal_and_no_redirect_is_followed(status: bytes) -> None:
    with peer(answer_and_close(b"HTTP/1.1 %b\r\nLocation: /other\r\n\r\n" % status)) as server:
        err = error_of(f"ws://127.0.0.1:{server.port}/")
        assert err == f"bad HTTP response status line: HTTP/1.1 {status.decode()}"
        assert server.connections == 1


def test_the_answer_can_be_read_where_the_server_agrees() -> None:
    with client_and_far(answer_fields=(b"X-Id: 7",)) as (wb, _):
        assert wb.response is not None
        assert wb.response.code == 101
        assert wb.response.headers["X-Id"] == "7"


@pytest.mark.parametrize(
    ("protocols", "fields", "agreed"),
    [
        (["a", "b"], (b"Sec-WebSocket-Protocol: b",), "b"),
        ("a", (b"Sec-WebSocket-Protocol: a",), "a"),
        (["a", "b"], (), None),
        (None, (), None),
    ],
)
def test_the_subprotocol_is_the_one_that_the_server_names(
    protocols: Any, fields: tuple[bytes, ...], agreed: str | None
) -> None:
    with client_and_far({"protocols": protocols}, answer_fields=fields) as (wb, _):
        assert wb.protocol == agreed


def test_another_connect_ends_the_connection_and_clears_what_was_fatal() -> None:
    with client_and_far(max_send_len=10) as (wb, far):
        assert wb.send_text("x" * 11) == (None, "payload too big")
        with client_and_far() as (_, _), peer(staying(shake_hands)) as other:
            assert wb.connect(f"ws://127.0.0.1:{other.port}/") == (1, None)
            assert far.next() is None
            assert wb.send_close(1000)[1] is None
            assert wb.send_text("x") == (None, "already closed")
            assert wb.connect(f"ws://127.0.0.1:{other.port}/") == (1, None)
            assert wb.send_text("x")[1] is None
            assert other.connections == 2


def test_a_failed_connect_leaves_no_connection() -> None:
    with client_and_far() as (wb, far):
        ip, port = free_address()
        assert wb.connect(f"ws://{ip}:{port}/") == (None, "failed to connect: connection refused")
        assert not wb.is_open
        assert far.next() is None
        assert wb.recv_frame() == (None, None, "failed to receive the first 2 bytes: closed")


# Busy


def test_a_second_connect_is_told_that_the_first_is_busy() -> None:
    with peer(silent) as server:
        wb = new()
        uri = f"ws://127.0.0.1:{server.port}/"
        connecting = spawn_blocked(wb.connect, uri)
        assert wb.connect(uri) == (None, "socket busy connecting")
        assert wb.close() == (None, "closed")
        settle()
        assert server.connections == 1
        thread.kill(connecting)
        assert not wb.is_open


def test_a_connect_while_another_receives_is_told_and_disturbs_nobody() -> None:
    with client_and_far() as (wb, far), peer(staying(shake_hands)) as other:
        uri = f"ws://127.0.0.1:{other.port}/"
        reader = spawn_blocked(wb.recv_frame)
        assert wb.connect(uri) == (None, "socket busy reading")
        far.send(TEXT, b"hello")
        assert result_of(reader) == (b"hello", "text", None)
        assert other.connections == 0
        assert wb.connect(uri) == (1, None)


def test_a_connect_while_another_sends_is_told_and_disturbs_nobody() -> None:
    with client_and_far(max_send_len=2_000_000) as (wb, far), peer(staying(shake_hands)) as other:
        uri = f"ws://127.0.0.1:{other.port}/"
        data = b"x" * 2_000_000
        shrink_buffer(wb)
        sender = spawn_blocked(wb.send_binary, data)
        assert wb.connect(uri) == (None, "socket busy writing")
        found = far.next()
        assert found is not None
        assert found.payload == data
        assert result_of(sender) == (len(data) + 14, None)
        assert wb.connect(uri) == (1, None)


# unix:


def test_a_unix_socket_is_a_place_to_connect_to(tmp_path: Path) -> None:
    path = str(tmp_path / "ws.sock")
    heads: list[bytes] = []
    with peer(staying(lambda wire: heads.append(shake_hands(wire))), address=path):
        wb = new()
        assert wb.connect(f"ws://unix:{path}:/chat?a=b") == (1, None)
        assert heads[0].startswith(b"GET /chat?a=b HTTP/1.1\r\n")
        assert header_values(heads[0], b"Host") == [b"localhost"]
        wb.abort()
    assert error_of(f"ws://unix:{tmp_path}/nobody.sock:/") == "failed to connect: no such file or directory"


def test_server_and_client_meet_at_a_unix_socket(tmp_path: Path) -> None:
    with accepting(f"unix:{tmp_path}/ws.sock") as server:
        assert server.address == (f"unix:{tmp_path}/ws.sock", None)
        wb = new()
        accept = thread.spawn(server.accept)
        assert wb.connect(f"ws://unix:{tmp_path}/ws.sock:/") == (1, None)
        wbc, _ = result_of(accept)
        assert wb.send_text("hello") == (11, None)
        assert wbc.recv_frame() == (b"hello", "text", None)
        wb.abort()
        wbc.abort()


def test_ipv6_is_a_place_to_connect_to() -> None:
    with accepting("[::1]:0") as server, connected(server) as (wb, wbc):
        assert server.url.startswith("ws://[::1]:")
        assert wbc.request is not None
        assert wbc.request.headers["host"] == server.url.removeprefix("ws://")
        assert wbc.send_text("hello") == (7, None)
        assert wb.recv_frame() == (b"hello", "text", None)


# TLS


def test_wss_is_verified_against_the_authority_that_is_given(certificates: Certificates) -> None:
    tls = tls_context(certificates.issue("localhost"))
    with client_and_far({"ssl_ca": certificates.ca}, tls=tls, host="localhost") as (wb, far):
        assert wb.send_text("secret") == (12, None)
        far.next_is(TEXT, b"secret")
        far.send(TEXT, b"answer")
        assert wb.recv_frame() == (b"answer", "text", None)
        assert wb.close() == (1, None)
        far.next_is(CLOSE, b"")


@pytest.mark.parametrize(
    ("name", "host", "options", "word"),
    [
        ("localhost", "localhost", {}, "unable to get local issuer certificate"),
        ("other.example", "localhost", {"ssl_ca": True}, "certificate host mismatch"),
        ("localhost", "127.0.0.1", {"ssl_ca": True}, "certificate host mismatch"),
        ("localhost", "localhost", {"ssl_ca": True, "server_name": "other.example"}, "certificate host mismatch"),
        ("localhost", "localhost", {"ssl_ca": True, "host": "other.example:81"}, "certificate host mismatch"),
    ],
    ids=["unknown authority", "other name", "address", "server_name", "host"],
)
def test_a_certificate_that_does_not_fit_is_refused(
    certificates: Certificates, name: str, host: str, options: dict[str, Any], word: str
) -> None:
    if "ssl_ca" in options:
        options = {**options, "ssl_ca": certificates.ca}
    heads: list[bytes] = []
    with peer(lambda wire: heads.append(wire.head()), tls=tls_context(certificates.issue(name))) as server:
        err = error_of(f"wss://{host}:{server.port}/", options)
    assert err.startswith("ssl handshake failed: ")
    assert word in err, err
    assert heads in ([], [b""])  # nothing has been said


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("127.0.0.1", {"ssl_ca": True}),
        ("other.example", {"ssl_verify": False}),
        ("other.example", {"ssl_ca": True, "server_name": "other.example"}),
        ("other.example", {"ssl_ca": True, "host": "other.example"}),
        ("other.example", {"ssl_ca": True, "host": "other.example:81", "server_name": None}),
        ("other.example", {"ssl_ca": True, "host": "x.example", "server_name": "other.example"}),
    ],
    ids=["address", "no verification", "server_name", "host", "host with a port", "both"],
)
def test_the_name_to_verify_is_server_name_else_host_else_the_uris(
    certificates: Certificates, name: str, options: dict[str, Any]
) -> None:
    if "ssl_ca" in options:
        options = {**options, "ssl_ca": certificates.ca}
    with peer(staying(shake_hands), tls=tls_context(certificates.issue(name))) as server:
        assert attempt(f"wss://127.0.0.1:{server.port}/", options)[1] == (1, None)


def test_the_name_that_is_sent_is_the_one_that_is_verified(certificates: Certificates) -> None:
    names: list[str | None] = []
    tls = tls_context(certificates.issue("localhost", "other.example"))
    tls.sni_callback = lambda sock, name, context: names.append(name)
    with peer(staying(shake_hands), tls=tls) as server:
        for options in ({}, {"host": "other.example:81"}, {"server_name": "other.example", "host": "x"}):
            wb, result = attempt(f"wss://localhost:{server.port}/", {"ssl_ca": certificates.ca, **options})
            assert result == (1, None)
            assert not wb.is_open
    assert names == ["localhost", "other.example", "other.example"]


def test_an_own_context_is_taken_as_it_is(certificates: Certificates) -> None:
    context = ssl.create_default_context(cafile=certificates.ca)
    with peer(staying(shake_hands), tls=tls_context(certificates.issue("localhost"))) as server:
        assert attempt(f"wss://localhost:{server.port}/", {"ssl_context": context})[1] == (1, None)


@pytest.mark.parametrize("names", [("client_cert", "client_priv_key"), ("ssl_cert", "ssl_key")])
def test_a_client_shows_its_certificate(certificates: Certificates, names: tuple[str, str]) -> None:
    mine = certificates.issue("client.example")
    tls = tls_context(certificates.issue("localhost"), client_ca=certificates.ca)
    options = {"ssl_ca": certificates.ca, **dict.fromkeys(names, mine)}
    with client_and_far(options, tls=tls, host="localhost") as (wb, far):
        assert ("subjectAltName", (("DNS", "client.example"),)) in far.wire.sock.getpeercert().items()
        assert wb.send_text("me")[1] is None
        far.next_is(TEXT, b"me")


def test_a_client_without_a_certificate_is_refused_where_one_is_demanded(certificates: Certificates) -> None:
    tls = tls_context(certificates.issue("localhost"), client_ca=certificates.ca)
    with peer(shake_hands, tls=tls) as server:
        err = error_of(f"wss://localhost:{server.port}/", {"ssl_ca": certificates.ca})
    # With TLS 1.3 the client is through with the handshake before the server says no.
    assert err.startswith(("failed to receive response header: ", "failed to send the handshake", "ssl handshake"))


@pytest.mark.parametrize("options", [{"timeout": SHORT_MS}, {}], ids=["timeout", "open_timeout_s"])
def test_a_tls_handshake_that_does_not_come(options: dict[str, Any]) -> None:
    with peer(silent) as server:
        asked = {} if options else {"open_timeout_s": SHORT_MS / 1000}
        assert error_of(f"wss://127.0.0.1:{server.port}/", asked, **options) == "ssl handshake failed: timeout"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x03\xff\xff", b"\x00" * 100])
def test_a_tls_handshake_with_something_else_fails(answer: bytes) -> None:
    with peer(lambda wire: (wire.exactly(1), wire.send(answer))) as server:
        err = error_of(f"wss://127.0.0.1:{server.port}/")
    assert err.startswith("ssl handshake failed: ")
    assert not err.startswith("ssl handshake failed: ssl handshake failed")


def test_wss_works_between_both_of_ours_and_the_client_verifies(certificates: Certificates) -> None:
    mine = certificates.issue("localhost")
    tls = {"ssl_cert": mine, "ssl_key": mine}
    with accepting({"host": "127.0.0.1:0", "ssl": tls}) as server:
        assert server.url.startswith("wss://127.0.0.1:")
        with connected(server, ssl_ca=certificates.ca, server_name="localhost") as (wb, wbc):
            big = os.urandom(60_000)
            assert wb.send_binary(big) == (60_008, None)
            assert wbc.recv_frame() == (big, "binary", None)
            assert wbc.send_binary(big) == (60_004, None)
            assert wb.recv_frame() == (big, "binary", None)
            assert wb.close() == (1, None)
            assert wbc.recv_frame() == (b"", "close", None)
        err = error_of(server.url, {"server_name": "localhost"})
        assert err.startswith("ssl handshake failed: ")
        with connected(server, ssl_verify=False) as (wb, wbc):
            assert wbc.send_text("hello") == (7, None)
            assert wb.recv_frame() == (b"hello", "text", None)


def test_a_server_may_demand_a_certificate(certificates: Certificates) -> None:
    mine = certificates.issue("localhost")
    tls = {"ssl_cert": mine, "ssl_key": mine, "ssl_ca": certificates.ca}
    asked = {"ssl_ca": certificates.ca, "server_name": "localhost"}
    with accepting({"host": "127.0.0.1:0", "ssl": tls}) as server:
        with connected(server, client_cert=mine, client_priv_key=mine, **asked) as (wb, wbc):
            assert wbc.send_text("hello") == (7, None)
            assert wb.recv_frame() == (b"hello", "text", None)
        err = error_of(server.url, asked)
        assert err.startswith(("failed to receive response header: ", "failed to send the handshake", "ssl handshake"))


def test_a_timeout_within_a_frame_over_tls_loses_nothing(certificates: Certificates) -> None:
    tls = tls_context(certificates.issue("localhost"))
    with client_and_far({"ssl_ca": certificates.ca}, tls=tls, host="localhost") as (wb, far):
        whole = far.frame(BINARY, b"x" * 300)
        wb.set_timeout(1)
        for at in range(8):
            data, kind, err = wb.recv_frame()
            assert (data, kind) == (None, None)
            assert err.endswith(": timeout")
            far.wire.send(whole[at : at + 1])
        far.wire.send(whole[8:] + far.frame(PING))
        wb.set_timeout(PATIENCE_MS)
        assert wb.recv_frame() == (b"x" * 300, "binary", None)
        assert wb.recv_frame() == (b"", "ping", None)


# Proxies


def tunnel(wires: Queue[tuple[bytes, Wire]], tls: ssl.SSLContext | None = None) -> Script:
    """A proxy that is, behind its CONNECT, the server itself."""

    def script(wire: Wire) -> None:
        asked = wire.head()
        wire.send(b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n")
        if tls is not None:
            wire.start_tls(tls)
        shake_hands(wire)
        wires.put((asked, wire))

    return staying(script)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_proxy_is_asked_for_a_tunnel(certificates: Certificates, scheme: str) -> None:
    wires: Queue[tuple[bytes, Wire]] = Queue()
    tls = tls_context(certificates.issue("target.example")) if scheme == "wss" else None
    with peer(tunnel(wires, tls)) as proxy:
        wb = new()
        options = {"proxy": f"http://user:secret@127.0.0.1:{proxy.port}", "ssl_ca": certificates.ca}
        assert wb.connect(f"{scheme}://target.example:8000/chat", options) == (1, None)
        asked, wire = wires.get()
        assert asked.startswith(b"CONNECT target.example:8000 HTTP/1.1\r\nHost: target.example:8000\r\n")
        credentials = b"Basic " + base64.b64encode(b"user:secret")
        assert header_values(asked, b"Proxy-Authorization") == [credentials]
        assert header_values(asked, b"Authorization") == []
        assert wb.send_text("through")[1] is None
        Far(wire, masks=False).next_is(TEXT, b"through")
        wb.abort()


def test_a_proxy_of_the_environment_is_used_unless_the_caller_says_no(monkeypatch: pytest.MonkeyPatch) -> None:
    wires: Queue[tuple[bytes, Wire]] = Queue()
    with peer(tunnel(wires)) as proxy, peer(staying(shake_hands)) as server:
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
        assert attempt("ws://target.example:8000/")[1] == (1, None)
        assert wires.get()[0].startswith(b"CONNECT target.example:8000 ")
        assert attempt(f"ws://127.0.0.1:{server.port}/", {"proxy": False})[1] == (1, None)
        assert (proxy.connections, server.connections) == (1, 1)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert attempt(f"ws://127.0.0.1:{server.port}/")[1] == (1, None)
        assert (proxy.connections, server.connections) == (1, 2)


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (sized(b"no", status=b"407 Proxy Authentication Required"), "proxy refused: 407"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "proxy refused: 502"),
        (b"garbage\r\n\r\n", "bad status line"),
        (b"", "closed"),
    ],
    ids=["407", "502", "garbage", "closed"],
)
def test_a_proxy_that_refuses(answer: bytes, word: str) -> None:
    with peer(answer_and_close(answer)) as proxy:
        wb, result = attempt("ws://target.example/", {"proxy": f"127.0.0.1:{proxy.port}"})
    assert result == (None, f"failed to connect: {word}")
    assert wb.response is None


@pytest.mark.parametrize("options", [{"timeout": SHORT_MS}, {}], ids=["timeout", "open_timeout_s"])
def test_a_proxy_that_is_silent(options: dict[str, Any]) -> None:
    with peer(silent) as proxy:
        asked = {"proxy": f"127.0.0.1:{proxy.port}"} | ({} if options else {"open_timeout_s": SHORT_MS / 1000})
        assert error_of("ws://target.example/", asked, **options) == "failed to connect: timeout"


def test_a_frame_that_comes_with_the_answer_through_a_proxy_is_not_lost() -> None:
    def script(wire: Wire) -> None:
        wire.head()
        wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
        shake_hands(wire, behind=frame(TEXT, b"early"))

    with peer(staying(script)) as proxy:
        wb = new()
        assert wb.connect("ws://target.example/", proxy=f"127.0.0.1:{proxy.port}") == (1, None)
        assert wb.recv_frame() == (b"early", "text", None)
        wb.abort()


# A kill at any step


STEPS = ["connect", "tls", "proxy", "proxy's tls", "answer", "pool"]


@contextmanager
def blocked_at(step: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A URI, and options, whose connect() goes as far as ``step``; fails if it keeps a place in a pool."""
    uri: str
    options: dict[str, Any]
    with ExitStack() as stack:
        if step == "connect":
            ip, port = stack.enter_context(silent_listener())
            uri, options = f"ws://{ip}:{port}/", {}
        elif step == "pool":
            server = stack.enter_context(peer(staying(shake_hands)))
            uri, options = f"ws://127.0.0.1:{server.port}/", {"pool_size": 1, "backlog": 5}
            holder = new()
            stack.callback(holder.abort)
            assert holder.connect(uri, options) == (1, None)
        else:
            address = f"127.0.0.1:{stack.enter_context(peer(silent)).port}"
            proxy = {"proxy": address, "proxy's tls": f"https://{address}"}.get(step)
            uri = f"{'wss' if step == 'tls' else 'ws'}://{address}/"
            options = {} if proxy is None else {"proxy": proxy}
        before = in_use()
        yield uri, options
        settle()
        assert in_use() == before


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_within_connect_leaves_nothing(step: str) -> None:
    with no_light_thread_left(), blocked_at(step) as (uri, options):
        wb = new()
        connecting = spawn_blocked(wb.connect, uri, options)
        assert thread.kill(connecting) == (1, None)
        assert not wb.is_open
        assert wb.response is None
        assert wb.recv_frame() == (None, None, "failed to receive the first 2 bytes: closed")


@pytest.mark.parametrize("step", STEPS)
def test_a_gevent_timeout_within_connect_leaves_nothing(step: str) -> None:
    with blocked_at(step) as (uri, options):
        wb = new()
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
            wb.connect(uri, options)
        assert not wb.is_open


@pytest.mark.parametrize("step", STEPS)
def test_after_a_failure_the_same_object_connects(step: str) -> None:
    with blocked_at(step) as (uri, options):
        wb = new()
        ok, err = wb.connect(uri, {**options, "open_timeout_s": SHORT_MS / 1000})
        assert ok is None
        assert err is not None
        assert err.endswith(": timeout")
        with accepting() as server:
            accept = thread.spawn(server.accept)
            assert wb.connect(server.url) == (1, None)
            wbc, _ = result_of(accept)
            assert wbc.send_text("hello") == (7, None)
            assert wb.recv_frame() == (b"hello", "text", None)
            wb.abort()
            wbc.abort()


# Servers


@pytest.mark.parametrize(
    "where",
    [
        "127.0.0.1:0",
        "localhost:0",
        {"host": "127.0.0.1:0"},
        {"host": "127.0.0.1:0", "timeout": 100, "max_payload_len": 10, "max_recv_len": 5, "max_send_len": 6},
        {"host": "127.0.0.1:0", "send_masked": True, "protocols": ["a"], "origins": None, "headers": ["X: y"]},
    ],
    ids=repr,
)
def test_a_server_is_made_by_an_address_or_by_a_mapping(where: Any) -> None:
    server, err = websocket.server.new(where)
    assert err is None
    assert server is not None
    ip, port = server.address
    assert ip in ("127.0.0.1", "::1")
    assert isinstance(port, int)
    assert port > 0
    assert server.url.endswith(f":{port}")
    with gevent.socket.create_connection((ip, port)):  # it listens before anybody accepts
        pass
    assert server.close() == (1, None)
    assert server.close() == (None, "closed")
    assert server.accept() == (None, "closed")


@pytest.mark.parametrize(
    ("where", "options", "error"),
    [
        (None, {}, TypeError),
        (5, {}, TypeError),
        ("127.0.0.1", {}, ValueError),
        ("127.0.0.1:x", {}, ValueError),
        ("127.0.0.1:65536", {}, ValueError),
        ("ws://127.0.0.1:0", {}, ValueError),
        ({}, {}, TypeError),
        ("127.0.0.1:0", {"max_payload_len": 0}, ValueError),
        ("127.0.0.1:0", {"timeout": 2**31}, ValueError),
        ("127.0.0.1:0", {"send_masked": "yes"}, TypeError),
        ("127.0.0.1:0", {"send_unmasked": True}, ValueError),
        ("127.0.0.1:0", {"protocols": 5}, TypeError),
        ("127.0.0.1:0", {"protocols": ["a b"]}, ValueError),
        ("127.0.0.1:0", {"origins": ["example.com"]}, ValueError),
        ("127.0.0.1:0", {"headers": "X: y"}, TypeError),
        ("127.0.0.1:0", {"headers": {"Upgrade": "h2c"}}, ValueError),
        ("127.0.0.1:0", {"compression": 5}, TypeError),
        ("127.0.0.1:0", {"ssl": {"ssl_cert": "/nowhere.pem", "ssl_key": "/nowhere.pem"}}, ValueError),
        ("127.0.0.1:0", {"ssl": {}}, ValueError),
        ("127.0.0.1:0", {"ssl": 5}, ValueError),
    ],
    ids=repr,
)
def test_a_bad_option_of_a_server_raises_and_nothing_is_bound(
    where: Any, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        websocket.server.new(where, **options)


def test_an_address_that_is_taken_is_told() -> None:
    with accepting() as server:
        ip, port = server.address
        assert websocket.server.new(f"{ip}:{port}") == (None, "address already in use")


# Accepting


def test_a_server_accepts_one_after_another() -> None:
    with accepting() as server:
        for number in range(3):
            with raw_client(server, path=f"/{number}?a=b") as (wbc, far):
                assert wbc.is_open
                assert wbc.request is not None
                assert (wbc.request.path, wbc.request.query["a"]) == (f"/{number}", "b")
                far.send(TEXT, b"hello")
                assert wbc.recv_frame() == (b"hello", "text", None)
                assert wbc.send_text("hello") == (7, None)
                far.next_is(TEXT, b"hello")


def test_connections_that_nobody_accepts_yet_wait() -> None:
    with accepting() as server:
        clients = [new() for _ in range(5)]
        connecting = [thread.spawn(wb.connect, f"{server.url}/{number}") for number, wb in enumerate(clients)]
        settle()
        found = [accepted(server) for _ in clients]
        assert [result_of(each) for each in connecting] == [(1, None)] * 5
        assert sorted(wbc.request.path for wbc in found if wbc.request) == [f"/{number}" for number in range(5)]
        for wb in (*clients, *found):
            wb.abort()


def test_the_answer_is_the_rfcs() -> None:
    with accepting(protocols=["b", "a"], headers={"X-Id": "7"}) as server, raw_connection(server) as wire:
        accept = thread.spawn(server.accept)
        wire.send(request("/", "Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Extensions: permessage-deflate"))
        head = wire.head()
        wbc, _ = result_of(accept)
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert header_values(head, b"Sec-WebSocket-Accept") == [accept_of(KEY.encode())]
        assert header_values(head, b"Upgrade") == [b"websocket"]
        assert [value.lower() for value in header_values(head, b"Connection")] == [b"upgrade"]
        assert header_values(head, b"Sec-WebSocket-Protocol") == [b"b"]
        assert header_values(head, b"X-Id") == [b"7"]
        for name in (b"Sec-WebSocket-Extensions", b"Content-Length", b"Transfer-Encoding"):
            assert header_values(head, name) == []
        assert wbc.protocol == "b"
        wbc.abort()


@pytest.mark.parametrize(
    ("data", "status", "word"),
    [
        (request().replace(b"HTTP/1.1", b"HTTP/1.0"), 400, "bad http version"),
        (request().replace(b"GET", b"POST"), 405, "bad request method: POST"),
        (request(without="Upgrade"), 426, 'bad "upgrade" request header: nil'),
        (request("/", "Upgrade: h2c"), 400, 'bad "upgrade" request header: h2c'),
        (request(without="Connection"), 400, 'bad "connection" request header'),
        (request("/", "Connection: keep-alive"), 400, 'bad "connection" request header'),
        (request(without="Sec-WebSocket-Key"), 400, 'bad "sec-websocket-key" request header'),
        (request("/", "Sec-WebSocket-Key: abc"), 400, 'bad "sec-websocket-key" request header'),
        (request(without="Sec-WebSocket-Version"), 400, 'bad "sec-websocket-version" request header'),
        (request("/", "Sec-WebSocket-Version: 8"), 426, 'bad "sec-websocket-version" request header'),
        (request("/", "Origin: https://evil.example"), 403, "origin not allowed: https://evil.example"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_handshake_is_answered_and_told_and_the_server_goes_on(data: bytes, status: int, word: str) -> None:
    with accepting(origins=["https://example.com", None]) as server:
        with raw_connection(server) as wire:
            accept = thread.spawn(server.accept)
            wire.send(data)
            assert result_of(accept) == (None, word)
            head = wire.head()
            assert head.startswith(b"HTTP/1.1 %d " % status)
            (length,) = header_values(head, b"Content-Length")
            assert wire.exactly(int(length)) == word.encode() + b"\n"
            if status == 426:
                assert header_values(head, b"Upgrade") == [b"websocket"]
            if "version" in word and "http" not in word:
                assert header_values(head, b"Sec-WebSocket-Version") == [b"13"]
        with raw_client(server) as (wbc, far):
            far.send(TEXT, b"hello")
            assert wbc.recv_frame() == (b"hello", "text", None)


@pytest.mark.parametrize("data", [b"garbage\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n"])
def test_what_is_no_request_is_answered_400_and_nobody_is_disturbed(data: bytes) -> None:
    with accepting() as server:
        accept = spawn_blocked(server.accept)
        with raw_connection(server) as wire:
            wire.send(data)
            assert wire.head().startswith(b"HTTP/1.1 400 ")
        assert thread.status(accept) == "running"
        wb = new()
        assert wb.connect(server.url) == (1, None)
        wbc, err = result_of(accept)
        assert err is None
        wb.abort()
        wbc.abort()


def test_a_handshake_that_is_cut_at_any_byte_disturbs_nobody() -> None:
    with accepting() as server:
        accept = spawn_blocked(server.accept)
        whole = request()
        for cut in range(len(whole)):
            with raw_connection(server) as wire:
                wire.send(whole[:cut])
        settle()
        assert thread.status(accept) == "running"
        with raw_connection(server) as wire:
            wire.send(whole)
            wbc, err = result_of(accept)
            assert err is None
            assert wire.head().startswith(b"HTTP/1.1 101 ")
            wbc.abort()


@pytest.mark.parametrize("kind", ["silent", "half a head", "tls"])
def test_slow_handshakes_do_not_keep_others_from_being_accepted(certificates: Certificates, kind: str) -> None:
    mine = certificates.issue("localhost")
    options: dict[str, Any] = {"ssl": {"ssl_cert": mine, "ssl_key": mine}} if kind == "tls" else {}
    with accepting(timeout=PATIENCE_MS, **options) as server, ExitStack() as stack:
        wires = [stack.enter_context(raw_connection(server)) for _ in range(20)]
        if kind == "half a head":
            for wire in wires:
                wire.send(request()[:40])
        settle()
        asked = {"ssl_ca": certificates.ca, "server_name": "localhost"} if kind == "tls" else {}
        with connected(server, **asked) as (wb, wbc):
            assert wbc.send_text("hello") == (7, None)
            assert wb.recv_frame() == (b"hello", "text", None)
        if kind == "half a head":
            accept = spawn_blocked(server.accept)
            wires[7].send(request()[40:])
            wbc, err = result_of(accept)
            assert err is None
            wbc.abort()


def test_a_handshake_that_takes_too_long_is_ended_by_its_limit() -> None:
    with accepting(head_timeout_s=SHORT_MS / 1000) as server, raw_connection(server) as wire:
        accept = spawn_blocked(server.accept)
        wire.send(request()[:40])
        assert wire.head().startswith(b"HTTP/1.1 408 ")
        assert wire.rest() != b""
        assert thread.status(accept) == "running"
        thread.kill(accept)


def test_accept_has_a_timeout() -> None:
    with accepting(timeout=1) as server:
        assert server.accept() == (None, "timeout")
        assert server.accept() == (None, "timeout")
        server.set_timeout(PATIENCE_MS)
        with raw_client(server) as (wbc, _):
            assert wbc._read_s == PATIENCE_MS / 1000


def test_what_is_accepted_has_the_servers_timeout_and_sizes() -> None:
    with accepting(timeout=SHORT_MS, max_recv_len=10, max_send_len=20) as server, raw_client(server) as (wbc, far):
        assert wbc.recv_frame() == (None, None, "failed to receive the first 2 bytes: timeout")
        assert wbc.send_binary(b"x" * 20) == (22, None)
        far.send(TEXT, b"x" * 11)
        assert wbc.recv_frame() == (None, None, "exceeding max payload len")


def test_several_may_accept_at_once() -> None:
    with accepting() as server:
        waiting = [spawn_blocked(server.accept) for _ in range(3)]
        clients = [new() for _ in waiting]
        for wb in clients:
            assert wb.connect(server.url) == (1, None)
        found = [result_of(each) for each in waiting]
        assert [err for _, err in found] == [None] * 3
        assert len({id(wbc) for wbc, _ in found}) == 3
        for wb in (*clients, *(wbc for wbc, _ in found)):
            wb.abort()


@pytest.mark.parametrize("end", ["stop", "close"])
def test_whoever_accepts_when_the_server_ends_gets_closed(end: str) -> None:
    with no_light_thread_left(), accepting() as server:
        waiting = [spawn_blocked(server.accept) for _ in range(3)]
        getattr(server, end)()
        assert [result_of(each) for each in waiting] == [(None, "closed")] * 3
        assert server.accept() == (None, "closed")
        assert server.accept() == (None, "closed")


def test_what_nobody_has_accepted_is_ended_with_the_server() -> None:
    with accepting() as server:
        assert accept_none(server) == (None, "timeout")
        with pytest.raises(RuntimeError, match="accepts already"):
            server.run(lambda wb: None)
        wb = new()
        assert wb.connect(server.url) == (1, None)
        server.stop(0)
        assert wb.recv_frame()[2] in (
            "failed to receive the first 2 bytes: closed",
            "failed to receive the first 2 bytes: connection reset by peer",
        )
        wb.abort()


def accept_none(server: Any) -> Any:
    server.set_timeout(1)
    return server.accept()


def test_what_has_been_accepted_outlives_the_server() -> None:
    with accepting() as server:
        with raw_client(server) as (wbc, far):
            server.stop(0)
            far.send(TEXT, b"hello")
            assert wbc.recv_frame() == (b"hello", "text", None)
            assert wbc.send_text("hello") == (7, None)
            far.next_is(TEXT, b"hello")
        with pytest.raises(ConnectionRefusedError), raw_connection(server):
            pass


def test_a_kill_within_accept_leaves_the_server_and_whoever_comes_next() -> None:
    with no_light_thread_left(), accepting() as server:
        first, second = spawn_blocked(server.accept), spawn_blocked(server.accept)
        assert thread.kill(first) == (1, None)
        wb = new()
        assert wb.connect(server.url) == (1, None)
        wbc, err = result_of(second)
        assert err is None
        assert wbc.send_text("hello") == (7, None)
        assert wb.recv_frame() == (b"hello", "text", None)
        wb.abort()
        wbc.abort()


@pytest.mark.parametrize("turns", range(12))
def test_a_kill_just_as_a_connection_comes_loses_no_connection(turns: int) -> None:
    with accepting() as server:
        found: list[Any] = []
        accept = spawn_blocked(lambda: found.append(accepted(server)))
        wb = new()
        connecting = thread.spawn(wb.connect, server.url)
        for _ in range(turns):
            lasa.sleep(0)
        thread.kill(accept)
        wbc = found[0] if found else accepted(server)
        assert result_of(connecting) == (1, None)
        assert wbc.send_text("hello") == (7, None)
        assert wb.recv_frame() == (b"hello", "text", None)
        wb.abort()
        wbc.abort()


def test_a_client_that_goes_before_it_is_accepted_is_accepted_and_gone() -> None:
    with accepting() as server:
        assert accept_none(server) == (None, "timeout")
        with raw_connection(server) as wire:
            wire.send(request())
            assert wire.head().startswith(b"HTTP/1.1 101 ")
        with accepted(server) as wbc:
            assert wbc.recv_frame() == (None, None, "failed to receive the first 2 bytes: closed")


def test_many_clients_may_wait_to_be_accepted() -> None:
    with accepting() as server, ExitStack() as stack:
        assert accept_none(server) == (None, "timeout")
        server.set_timeout(PATIENCE_MS)
        for number in range(150):
            stack.enter_context(raw_connection(server)).send(request(f"/{number}"))
        settle()
        found = [accepted(server) for _ in range(150)]
        assert {wbc.request.path for wbc in found if wbc.request} == {f"/{number}" for number in range(150)}
        for wbc in found:
            wbc.abort()


def test_accept_after_run_is_the_callers_mistake() -> None:
    with accepting() as server:
        running = thread.spawn(server.run, lambda wb: None)
        settle()
        with pytest.raises(RuntimeError, match="runs already"):
            server.accept()
        with pytest.raises(RuntimeError):
            server.run(lambda wb: None)
        server.stop(0)
        assert result_of(running) == (True, None)
