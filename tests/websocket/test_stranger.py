"""What somebody meets who comes from another library: slips, names of other libraries, servers of other protocols."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import gevent
import pytest

import lasa
from lasa import websocket
from lasa.http.server import Request
from tests.http.client_tools import Wire, answer_and_close, peer
from tests.servers import free_port
from tests.websocket.tools import serving, talking_client

REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"


def connect(port: int, **options: Any) -> tuple[Any, Any]:
    return websocket.client.connect(f"ws://127.0.0.1:{port}/", **{"proxy": False, **options})


# -- what check() hands on


def test_check_hands_on_the_answer_of_a_server_that_refuses() -> None:
    with peer(answer_and_close(REFUSAL)) as server, pytest.raises(lasa.SocketError) as caught:
        lasa.check(connect(server.port))
    assert caught.value.reason == "bad HTTP response status line: HTTP/1.1 403 Forbidden"
    assert (caught.value.response.code, caught.value.response.text()) == (403, "no")
    twin = pickle.loads(pickle.dumps(caught.value))
    assert (twin.reason, twin.response) == (caught.value.reason, None)


def test_so_does_a_loop_of_reconnections() -> None:
    with peer(answer_and_close(REFUSAL)) as server, pytest.raises(lasa.SocketError) as caught:
        next(websocket.client.reconnecting(f"ws://127.0.0.1:{server.port}/", proxy=False))
    assert caught.value.response.code == 403


def test_a_connect_that_fails_is_caught_as_what_python_calls_it() -> None:
    with pytest.raises(ConnectionRefusedError, match="failed to connect: connection refused") as refused:
        lasa.check(connect(free_port()))
    assert isinstance(refused.value, lasa.Error)
    assert refused.value.response is None
    with peer(lambda wire: wire.rest()) as server, pytest.raises(TimeoutError) as late:
        lasa.check(connect(server.port, open_timeout_s=0.02))
    assert isinstance(late.value, lasa.SocketTimeout)
    assert late.value.reason == "failed to receive response header: timeout"
    with peer(lambda wire: wire.head()) as server, pytest.raises(lasa.SocketClosed) as closed:
        lasa.check(connect(server.port))
    assert closed.value.reason == "failed to receive response header: closed"


def test_the_words_of_a_server_choose_no_class() -> None:
    answer = b"HTTP/1.1 504 upstream: timeout\r\nContent-Length: 0\r\n\r\n"
    with peer(answer_and_close(answer)) as server, pytest.raises(lasa.SocketError) as caught:
        lasa.check(connect(server.port))
    assert type(caught.value) is websocket.UpgradeRefused


# -- names


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("max_size", "max_message"),
        ("max_mesage", "max_message"),
        ("timeout", "open_timeout_s"),
        ("open_timeout", "open_timeout_s"),
        ("close_timeout", "close_timeout_s"),
        ("ping_interval", "ping_interval_s"),
        ("ping_timeout", "ping_timeout_s"),
        ("additional_headers", "headers"),
        ("extra_headers", "headers"),
        ("subprotocols", "protocols"),
        ("compresion", "compression"),
        ("server_nam", "server_name"),
        ("ssl", "ssl_context"),
    ],
)
def test_a_client_s_option_under_another_name_is_told_its_own(given: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f'^unknown option "{given}", did you mean "{meant}"\\?$'):
        connect(1, **{given: 1})


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("max_size", "max_message"),
        ("max_mesage", "max_message"),
        ("max_payload_length", "max_payload_len"),
        ("max_conections", "max_connections"),
        ("max_header", "max_headers"),
        ("orgins", "origins"),
        ("open_timeout", "head_timeout_s"),
        ("close_timeout", "close_timeout_s"),
        ("ping_interval", "ping_interval_s"),
        ("ping_timeout", "ping_timeout_s"),
        ("extra_headers", "headers"),
        ("subprotocols", "protocols"),
    ],
)
def test_a_server_s_option_under_another_name_is_told_its_own(given: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f'^unknown option "{given}", did you mean "{meant}"\\?$'):
        websocket.server.new("127.0.0.1:0", **{given: 1})  # type: ignore[arg-type]


def test_there_is_nothing_in_place_of_max_queue_and_certificates_belong_into_ssl() -> None:
    for call in (lambda **options: connect(1, **options), lambda **options: websocket.server.new(":0", **options)):
        with pytest.raises(ValueError, match=r'^unknown option "max_queue"$'):
            call(max_queue=1)
    with pytest.raises(ValueError, match=r'did you mean ssl=\{"ssl_cert": ...\}\?'):
        websocket.server.new("127.0.0.1:0", ssl_cert="cert.pem")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match='did you mean "send_unmasked"'):
        websocket.client.new(send_unmaskd=True)  # type: ignore[call-arg]


def test_every_option_of_http_passes() -> None:
    server, err = websocket.server.new(
        {"host": "127.0.0.1:0", "max_headers": 10, "head_timeout_s": 1, "max_head": 1000, "backlog": 5}, access_log=None
    )
    assert server is not None, err
    server.close()


@pytest.mark.parametrize("value", [float("inf"), 0, 1e-12, "soon", True])
def test_a_bad_open_timeout_names_itself(value: Any) -> None:
    with pytest.raises(ValueError, match="open_timeout_s"):
        connect(1, open_timeout_s=value)


@pytest.mark.parametrize("value", [("cert.pem", "key.pem"), ["cert.pem"], 5])
def test_a_certificate_in_the_form_of_requests_is_told_where_the_key_belongs(value: Any) -> None:
    with pytest.raises(TypeError, match="ssl_cert") as caught:
        connect(1, ssl_cert=value)
    assert ("ssl_key" in str(caught.value)) is (value != 5)


def test_a_certificate_s_path_may_be_a_path() -> None:
    with pytest.raises((OSError, ValueError), match="nowhere"):
        connect(1, ssl_cert=Path("/nowhere/cert.pem"))


@pytest.mark.parametrize("origin", ["https://example.com/", "*", "example.com", "https://*.example.com"])
def test_a_bad_origin_is_told_what_one_is(origin: str) -> None:
    with pytest.raises(ValueError, match=r'scheme://host\[:port\]" expected, no path, no "\*"'):
        websocket.server.new("127.0.0.1:0", origins=origin)


# -- one in place of many, a handler of something else


def test_broadcast_to_one_websocket_in_place_of_a_collection_raises_and_receives_nothing() -> None:
    with talking_client() as (wb, far):
        far.send(1, b"for receive()")
        with pytest.raises(TypeError, match="collection"):
            websocket.broadcast(wb, "a")  # type: ignore[arg-type]
        assert wb.receive(5) == ("for receive()", None)
        assert websocket.broadcast([wb], "a") == (1, [])


def test_a_handler_that_takes_something_else_is_told_what_it_gets() -> None:
    server = lasa.check(websocket.server.new("127.0.0.1:0"))

    def wrong(environ: Any, start_response: Any) -> list[bytes]:
        return []

    with pytest.raises(TypeError, match=r"handler\(wb\)") as caught:
        server.run(wrong)  # type: ignore[arg-type]
    assert "wsgi" not in str(caught.value).lower()
    assert "request" not in str(caught.value)
    server.stop(0)


def test_a_server_that_has_run_says_that_it_is_stopped() -> None:
    with serving(lambda wb: None) as server:
        pass
    with pytest.raises(RuntimeError, match="the server is stopped"):
        server.run(lambda wb: None)


def test_a_stopped_http_server_says_so_too() -> None:
    server = lasa.check(lasa.http.server.new("127.0.0.1:0", access_log=False))

    def handler(request: Request) -> str:
        return "never"

    runner = lasa.thread.spawn(server.run, handler)
    server.stop(0)
    assert lasa.thread.wait(runner) == (True, True, None)
    with pytest.raises(RuntimeError, match="the server is stopped"):
        server.run(handler)


# -- servers of other protocols


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2"),
        (b"-ERR unknown command\r\n", "-ERR unknown command"),
        (b"garbage\r\n\r\n", "garbage"),
        (b"HTTPS/1.1 101 x\r\n\r\n", "HTTPS/1.1 101 x"),
        (b"HTTP/1.1 2000 x\r\n\r\n", "HTTP/1.1 2000 x"),
        (b"\x81\x05hello", "\\x81\\x05hello"),
        (b"no end of a line", "no end of a line"),
    ],
    ids=repr,
)
def test_a_server_that_speaks_something_else_is_known_by_its_first_line(said: bytes, line: str) -> None:
    def script(wire: Wire) -> None:
        wire.head()
        wire.send(said)
        wire.rest()

    with peer(script) as server, gevent.Timeout(5):
        assert connect(server.port) == (None, f"bad HTTP response status line: {line}")
