"""A WebSocket server on a port of its own: how it is made, whom it takes, and what its handlers may do."""

from __future__ import annotations

import logging
import ssl
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gevent
import gevent.ssl
import pytest
from gevent.queue import Queue

import lasa
from lasa import thread, websocket
from lasa.http import client as http_client
from lasa.websocket import Closing, WebSocket
from lasa.websocket.client import ClientWebSocket
from lasa.websocket.server import WAITING_MAX, Server, ServerWebSocket
from tests.conftest import Certificates
from tests.helpers import settle
from tests.http.client_tools import Wire
from tests.socket.tools import result_of
from tests.websocket.tools import (
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Far,
    accepted,
    accepting,
    frame,
    nothing_left,
    raw_connection,
    request,
    serving,
)

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def echo(wb: WebSocket) -> None:
    for message in wb:
        wb.send(message)


def connect(server: Server, path: str = "/", **options: Any) -> ClientWebSocket:
    wb, err = websocket.client.connect(f"{server.url}{path}", **{"proxy": False, "ssl_verify": False, **options})
    assert wb is not None, err
    return wb


def unverified() -> Any:
    """TLS for raw_connection(): gevent's own."""
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def upgraded(wire: Wire, data: bytes = b"") -> Far:
    """Shake hands over a raw connection, with ``data`` in the same segment."""
    wire.send(request() + data)
    head = wire.head()
    assert head.startswith(b"HTTP/1.1 101 "), head
    return Far(wire, masks=True)


def assert_serves(server: Server) -> None:
    """Fail unless a new client gets its echo."""
    with connect(server) as wb:
        assert wb.send("still there?")[1] is None
        assert wb.receive(5) == ("still there?", None)


# how it is made


def test_an_address_is_a_string_or_stands_in_a_mapping_with_the_options(tmp_path: Path) -> None:
    forms: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        (("127.0.0.1:0",), {}),
        (("localhost:0",), {"protocols": ["a"]}),
        (({"host": "127.0.0.1:0", "timeout": 100, "max_payload_len": 10, "protocols": "a"},), {}),
        (({"host": "127.0.0.1", "port": 0, "compression": False},), {"max_message": 5}),
    ]
    for arguments, options in forms:
        with serving(echo, *arguments, **options) as server:
            host, port = server.address
            assert server.url == f"ws://{host}:{port}"
            assert repr(server) == f"<lasa websocket server at {server.url}>"
            assert connect(server).close() == (Closing(1000, "", "us"), None)


def test_it_listens_on_ipv6_and_on_a_unix_path(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with serving(echo, "[::1]:0") as server:
        assert server.url == f"ws://[::1]:{server.address[1]}"
        assert_serves(server)
    with serving(echo, f"unix:{path}") as server:
        assert server.address == (f"unix:{path}", None)
        assert_serves(server)
    assert not path.exists()


def test_it_speaks_tls_with_a_certificate(certificates: Certificates) -> None:
    files = {"ssl_cert": certificates.issue("localhost")}
    with nothing_left(), serving(echo, {"host": "127.0.0.1:0", "ssl": files}) as server:
        assert server.url == f"wss://127.0.0.1:{server.address[1]}"
        uri = f"wss://localhost:{server.address[1]}/"
        with lasa.check(websocket.client.connect(uri, ssl_ca=certificates.ca, proxy=False)) as wb:
            wb.send("by TLS")
            assert wb.receive(5) == ("by TLS", None)
            assert wb.close(4000) == (Closing(4000, "", "us"), None)


def test_an_address_that_is_taken_is_an_error_word() -> None:
    with serving(echo) as server:
        assert websocket.server.new(f"127.0.0.1:{server.address[1]}") == (None, "address already in use")


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"protocol": ["a"]}, ValueError, 'unknown option "protocol"'),
        ({"max_mesage": 1}, ValueError, 'unknown option "max_mesage"'),
        ({"protocols": ["a b"]}, ValueError, "bad protocol: 'a b'"),
        ({"protocols": 5}, TypeError, "bad protocols: "),
        ({"origins": ["https://a.test/"]}, ValueError, "bad origin: 'https://a.test/'"),
        ({"origins": 5}, TypeError, "bad origins: "),
        ({"headers": "X: 1"}, TypeError, "custom headers must be a mapping or a list"),
        ({"headers": ["Upgrade: h2c"]}, ValueError, "bad header: upgrade is the handshake's own"),
        ({"headers": ["X: a\nb"]}, ValueError, "bad"),
        ({"compression": 1}, TypeError, 'bad "compression" option type'),
        ({"compression": {"level": 11}}, ValueError, 'bad "level" option value: 11'),
        ({"max_message": 0}, ValueError, 'bad "max_message" option value: 0'),
        ({"max_payload_len": -1}, ValueError, 'bad "max_recv_len" option value: -1'),
        ({"send_masked": 1}, TypeError, 'bad "send_masked" option type'),
        ({"ping_interval_s": 0}, ValueError, 'bad "ping_interval_s" option value: 0'),
        ({"max_connections": 0}, ValueError, 'bad "max_connections" option value: 0'),
        ({"ssl": {"ssl_cert": "no.pem"}}, ValueError, "bad certificate"),
        ({"timeout": 2**31}, ValueError, "bad timeout value"),
    ],
)
def test_a_bad_option_raises_before_anything_listens(options: dict[str, Any], kind: type[Exception], text: str) -> None:
    with nothing_left(), pytest.raises(kind) as raised:
        websocket.server.new("127.0.0.1:0", **options)
    assert text in str(raised.value)


@pytest.mark.parametrize("where", ["127.0.0.1", "ws://127.0.0.1:80", "", None])
def test_an_address_that_is_none_raises(where: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="bad address"):
        websocket.server.new(where)


def test_it_serves_in_one_way_only() -> None:
    with serving(echo) as server:
        settle()
        with pytest.raises(RuntimeError, match="the server runs already"):
            server.accept()
        with pytest.raises(RuntimeError, match="the server runs already"):
            server.run(echo)
    with accepting(timeout=1) as server:
        assert server.accept() == (None, "timeout")
        with pytest.raises(RuntimeError, match="the server accepts already"):
            server.run(echo)


@pytest.mark.parametrize("handler", [None, 5, lambda: None, lambda a, b: None])
def test_a_handler_takes_one_argument(handler: Any) -> None:
    with accepting() as server, pytest.raises(TypeError, match="bad handler"):
        server.run(handler)


def test_connections_are_counted_while_they_are_open() -> None:
    with serving(echo) as server:
        assert server.connections == 0
        wbs = [connect(server) for _ in range(3)]
        assert server.connections == 3
        for wb in wbs:
            wb.close()
        while server.connections:
            lasa.sleep(0.001)
        assert_serves(server)


# what a handler gets, and how it ends


def test_a_handler_sees_the_request_of_the_handshake() -> None:
    found: Queue[Any] = Queue()

    def handler(wb: ServerWebSocket) -> None:
        asked = wb.request
        assert asked is not None
        found.put((asked.path, asked.query["b"], asked.headers["X-Y"], asked.peer, asked.is_websocket))

    with serving(handler, headers={"X-Z": "1"}) as server, connect(server, "/a%20b?b=c", headers=["X-Y: z"]) as wb:
        assert wb.response is not None
        assert wb.response.headers["X-Z"] == "1"
        path, query, header, peer, is_websocket = found.get(timeout=5)
        assert (path, query, header, is_websocket) == ("/a b", "c", "z", True)
        assert peer[0] == "127.0.0.1"


def test_a_handler_that_returns_closes_with_1000() -> None:
    with nothing_left(), serving(lambda wb: wb.send("that was all")) as server, connect(server) as wb:
        assert wb.receive(5) == ("that was all", None)
        assert wb.receive(5) == (None, "closed")
        assert wb.closing == Closing(1000, "", "peer")


@pytest.mark.parametrize("error", [ZeroDivisionError("secret"), SystemExit(3), gevent.Timeout()], ids=repr)
def test_a_handler_that_raises_closes_with_1011_and_is_logged(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(wb: WebSocket) -> None:
        wb.receive()
        raise error

    with serving(handler) as server:
        with connect(server, "/x") as wb:
            wb.send("go")
            assert wb.receive(5) == (None, "closed")
            assert wb.closing == Closing(1011, "", "peer")
        assert_serves_nobody_else(server)
    failures = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.message for record in failures] == ["handler failed: GET '/x'"] * 2
    assert failures[0].exc_info is not None
    assert failures[0].exc_info[1] is error


def assert_serves_nobody_else(server: Server) -> None:
    """A further client meets the same handler."""
    with connect(server, "/x") as wb:
        wb.send("go")
        assert wb.receive(5) == (None, "closed")


def test_a_handler_may_close_by_itself_and_go_on() -> None:
    gone_on: Queue[Any] = Queue()

    def handler(wb: WebSocket) -> None:
        wb.close(4001, "enough")
        gone_on.put((wb.send("late"), wb.receive(), wb.closing, wb.is_open))

    with serving(handler) as server, connect(server) as wb:
        assert wb.receive(5) == (None, "closed")
        assert wb.closing == Closing(4001, "enough", "peer")
        assert gone_on.get(timeout=5) == ((None, "closed"), (None, "closed"), Closing(4001, "enough", "us"), False)


def test_a_loop_over_messages_ends_with_the_client_and_the_handler_with_it() -> None:
    ended: Queue[Any] = Queue()

    def handler(wb: WebSocket) -> None:
        echo(wb)
        ended.put(wb.closing)

    with serving(handler) as server:
        for code, expected in ((1000, 1000), (1001, 1001)):
            connect(server).close(code)
            assert ended.get(timeout=5) == Closing(expected, "", "peer")


def test_another_light_thread_may_send_while_the_handler_receives() -> None:
    def handler(wb: WebSocket) -> None:
        ticker = thread.spawn(tick, wb)
        echo(wb)
        thread.kill(ticker)

    def tick(wb: WebSocket) -> None:
        while wb.is_open:
            wb.send(b"tick")
            lasa.sleep(0.001)

    with serving(handler) as server, connect(server) as wb:
        for number in range(20):
            wb.send(str(number))
        messages = [message for message in (wb.receive(5)[0] for _ in range(60)) if message != b"tick"]
        assert messages == [str(number) for number in range(20)]
        assert wb.close()[1] is None


def test_a_connection_lent_to_a_light_thread_ends_with_the_handler_that_does_not_wait_for_it() -> None:
    outcomes: Queue[Any] = Queue()

    def receive(wb: WebSocket) -> None:
        outcomes.put(wb.receive())
        outcomes.put((wb.receive(), wb.closing))

    def handler(wb: WebSocket) -> None:
        thread.spawn(receive, wb)
        lasa.sleep(0)

    with nothing_left(), serving(handler) as server, connect(server) as wb:
        assert wb.receive(5) == (None, "closed")
        assert wb.closing == Closing(1000, "", "peer")
        assert outcomes.get(timeout=5) == (None, "closed")
        assert outcomes.get(timeout=5) == ((None, "closed"), Closing(1000, "", "us"))


def test_a_handler_may_wait_for_the_light_threads_that_have_its_connection() -> None:
    def handler(wb: WebSocket) -> None:
        receiver = thread.spawn(echo, wb)
        thread.wait(receiver)

    with serving(handler) as server, connect(server) as wb:
        for text in ("a", "b"):
            wb.send(text)
            assert wb.receive(5) == (text, None)
        assert wb.close() == (Closing(1000, "", "us"), None)


# whom it takes


def test_origins_are_checked_before_the_handler_sees_anybody() -> None:
    with serving(echo, origins=["https://example.com", None]) as server:
        assert connect(server, origin="https://example.com").close()[1] is None
        assert connect(server).close()[1] is None
        wb, err = websocket.client.connect(server.url, origin="https://evil.example", proxy=False)
        assert (wb, err) == (None, "bad HTTP response status line: HTTP/1.1 403 Forbidden")
        assert err is not None
        assert err.response is not None
        assert err.response.body == b"origin not allowed: https://evil.example\n"
        assert_serves(server)


def test_a_function_decides_by_origin_and_another_chooses_the_subprotocol() -> None:
    offered: list[tuple[str, ...]] = []

    def last_of(protocols: tuple[str, ...]) -> str | None:
        offered.append(protocols)
        return protocols[-1] if protocols else None

    with serving(echo, origins=lambda origin: origin != "null", protocols=last_of) as server:
        with connect(server, protocols=["a", "b"], origin="https://any.example") as wb:
            assert wb.protocol == "b"
        with connect(server) as wb:
            assert wb.protocol is None
        assert websocket.client.connect(server.url, origin="null", proxy=False)[0] is None
    assert ("a", "b") in offered


def test_a_function_that_fails_is_a_500_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail(origin: str | None) -> bool:
        raise ZeroDivisionError("secret")

    with serving(echo, origins=fail) as server:
        _, err = websocket.client.connect(server.url, proxy=False)
        assert err == "bad HTTP response status line: HTTP/1.1 500 Internal Server Error"
        assert err.response is not None
        assert b"secret" not in (err.response.body or b"")
    assert "handler failed: GET '/'" in caplog.text


def test_accept_tells_who_was_refused_and_goes_on() -> None:
    with accepting(origins=["https://example.com"]) as server:
        waiting = thread.spawn(server.accept)
        assert websocket.client.connect(server.url, proxy=False)[0] is None
        assert result_of(waiting) == (None, "origin not allowed: nil")
        waiting = thread.spawn(server.accept)
        with connect(server, origin="https://example.com") as wb:
            wbc, err = result_of(waiting)
            assert wbc is not None, err
            wb.send("for frames")
            assert wbc.recv_frame() == (b"for frames", "text", None)
            wbc.abort()
        waiting = thread.spawn(server.accept)
        with raw_connection(server) as wire:
            wire.send(GET)
            assert wire.head().startswith(b"HTTP/1.1 426 ")
        assert result_of(waiting) == (None, 'bad "upgrade" request header: nil')


def test_only_so_many_wait_for_accept_and_the_next_has_its_turn_after_one_of_them() -> None:
    with accepting() as server, ExitStack() as stack:
        wires = []
        for _ in range(WAITING_MAX + 1):
            wire = stack.enter_context(raw_connection(server))
            wire.send(request())
            wires.append(wire)
        first = accepted(server)
        heads = [wire.head() for wire in wires]  # also the last one's, whose place is the first one's
        assert {head[:13] for head in heads} == {b"HTTP/1.1 101 "}
        others = [accepted(server) for _ in range(WAITING_MAX)]
        assert len(server._accepted) == 0
        for wbc in (first, *others):
            wbc.abort()


def test_who_waits_for_accept_too_long_is_cut_when_the_server_stops() -> None:
    with nothing_left(), accepting(timeout=10_000) as server, ExitStack() as stack:
        wires = [stack.enter_context(raw_connection(server)) for _ in range(WAITING_MAX + 2)]
        for wire in wires:
            wire.send(request())
        wbc = accepted(server)
        while len(server._accepted) < WAITING_MAX or server.connections != 1:
            lasa.sleep(0.001)
        settle()  # it has been read
        ok, cut = server.stop(0)
        assert (ok, len(cut)) == (True, 1)
        assert sum(wire.head() == b"" for wire in wires) == 1
        wbc.abort()
        assert [wire.rest() for wire in wires] == [b""] * len(wires)


# slow and hostile handshakes


@pytest.mark.parametrize("uses_tls", [False, True])
def test_clients_that_are_slow_to_shake_hands_keep_nobody_waiting(certificates: Certificates, uses_tls: bool) -> None:
    options = {"ssl": {"ssl_cert": certificates.issue("localhost")}} if uses_tls else {}
    context = unverified()
    with accepting(**options) as server, raw_connection(server), raw_connection(server) as slow:
        waiting = thread.spawn(server.accept)
        slow.send(b"\x16\x03\x01" if uses_tls else request()[:30])
        with raw_connection(server, tls=context if uses_tls else None) as slower:
            slower.send(request()[:-1])
            with connect(server) as wb:
                wbc, err = result_of(waiting)
                assert wbc is not None, err
                assert wb.send("first")[1] is None
                assert wbc.recv_frame() == (b"first", "text", None)
                wbc.abort()
            waiting = thread.spawn(server.accept)
            slower.send(b"\n")  # whose turn comes once it has said all
            assert slower.head().startswith(b"HTTP/1.1 101 ")
            wbc, err = result_of(waiting)
            assert wbc is not None, err
            wbc.abort()


def test_a_client_that_takes_too_long_is_told_so_however_it_spreads_its_bytes() -> None:
    with serving(echo, head_timeout_s=0.2) as server, raw_connection(server) as wire:
        sender = thread.spawn(drip, wire, request())
        assert wire.rest().startswith(b"HTTP/1.1 408 ")
        thread.kill(sender)
        assert_serves(server)


def drip(wire: Wire, data: bytes) -> None:
    """Send a byte at a time, each in time for itself."""
    for at in range(len(data)):
        try:
            wire.send(data[at : at + 1])
        except OSError:
            return
        lasa.sleep(0.01)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\0\xff\x01garbage\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"A" * 70_000, 414),
        (request("/" + "a" * 9000), 414),
        (request("/", *(f"X-{number}: 1" for number in range(200))), 431),
        (request().replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
        (request().replace(b"GET", b"POST"), 405),
        (request().replace(b"GET /", b"POST /").replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhello"), 405),
        (request("/", "Content-Length: 5") + b"hello", 400),
        (request("/", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n", 400),
        (request("/", "Expect: 200-ok"), 417),
        (request(without="Upgrade"), 426),
        (request("/", "Upgrade: h2c"), 400),
        (request("/", "Connection: keep-alive"), 400),
        (request(without="Sec-WebSocket-Key"), 400),
        (request("/", "Sec-WebSocket-Key: short"), 400),
        (request("/", "Sec-WebSocket-Version: 8"), 426),
        (request(without="Host"), 400),
        (request("/", "Sec-WebSocket-Protocol: a,,b b"), 400),
        (b"\x81\x85\1\2\3\4hello\r\n\r\n", 400),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_handshake_that_is_none_is_answered_and_others_are_served(data: bytes, status: int) -> None:
    with nothing_left(), serving(echo) as server, raw_connection(server) as wire:
        wire.send(data)
        wire.sock.shutdown(1)
        answer = wire.rest()
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
        assert answer.count(b"HTTP/1.1 ") == 1
        assert_serves(server)


def test_tls_on_a_plain_port_and_plain_on_a_port_with_tls_are_told(certificates: Certificates) -> None:
    with serving(echo) as plain, raw_connection(plain) as wire:
        wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100))
        assert wire.rest().endswith(b"TLS on a port that speaks http\n")
        assert_serves(plain)
    with serving(echo, ssl={"ssl_cert": certificates.issue("localhost")}) as secure, raw_connection(secure) as wire:
        wire.send(request())
        assert b"this port speaks https" in wire.rest()
        assert_serves(secure)


def test_a_client_that_is_gone_before_its_answer_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with nothing_left(), serving(echo) as server:
        for part in (b"", request()[:40], request(), request() + frame(TEXT, b"x", masked=True)):
            with raw_connection(server) as wire:
                wire.send(part)
                wire.reset()
        assert_serves(server)
        while server.connections:
            lasa.sleep(0.001)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_frames_that_come_with_the_request_in_one_segment_are_not_lost() -> None:
    data = b"".join(
        (
            frame(TEXT, b"first", masked=True),
            frame(PING, b"ping", masked=True),
            frame(TEXT, b"sec", fin=False, masked=True),
            frame(CONTINUATION, b"ond", masked=True),
        )
    )
    for cut in (0, 1, 7, len(data) - 1, len(data)):
        with serving(echo) as server, raw_connection(server) as wire:
            far = upgraded(wire, data[:cut])
            wire.send(data[cut:])
            found = [far.next() for _ in range(3)]
            answers = [(one.opcode, one.payload) for one in found if one is not None]
            assert [answer for answer in answers if answer[0] != PONG] == [(TEXT, b"first"), (TEXT, b"second")]
            assert (PONG, b"ping") in answers
            far.send(CLOSE, b"\x03\xe8")
            far.next_is(CLOSE, b"\x03\xe8")
            assert wire.rest() == b""


@pytest.mark.parametrize("uses_tls", [False, True])
def test_control_frames_in_the_segment_of_the_request_are_answered_though_nobody_receives(
    certificates: Certificates, uses_tls: bool
) -> None:
    ended: Queue[Any] = Queue()

    def only_waits(wb: WebSocket) -> None:
        while wb.is_open:
            lasa.sleep(0.005)
        ended.put(wb.closing)

    options = {"ssl": {"ssl_cert": certificates.issue("localhost")}} if uses_tls else {}
    context = unverified() if uses_tls else None
    with serving(only_waits, **options) as server, raw_connection(server, tls=context) as wire:
        far = upgraded(wire, frame(PING, b"p", masked=True) + frame(CLOSE, b"\x03\xe8", masked=True))
        far.next_is(PONG, b"p")
        far.next_is(CLOSE, b"\x03\xe8")
        assert ended.get(timeout=5) == Closing(1000, "", "peer")


def test_no_more_than_max_connections_are_open_at_once() -> None:
    with serving(echo, max_connections=2) as server:
        first, second = connect(server), connect(server)
        third = thread.spawn(connect, server)
        lasa.sleep(0.01)
        assert (thread.status(third), server.connections) == ("running", 2)
        first.close()
        ok, wb = thread.wait(third)
        assert ok is True
        wb.send("at last")
        assert wb.receive(5) == ("at last", None)
        for one in (second, wb):
            one.close()


def test_a_plain_request_to_it_is_answered_and_may_be_followed_by_a_handshake() -> None:
    with serving(echo) as server, raw_connection(server) as wire:
        wire.send(GET + request())
        head = wire.head()
        assert head.startswith(b"HTTP/1.1 426 ")
        assert b"\r\nUpgrade: websocket\r\n" in head
        wire.until(b"nil\n")
        assert wire.head().startswith(b"HTTP/1.1 101 ")
        far = Far(wire, masks=True)
        far.send(TEXT, b"hello")
        far.next_is(TEXT, b"hello")


def test_lasas_own_http_client_sees_the_refusal() -> None:
    with serving(echo) as server:
        hc = lasa.check(http_client.new(proxy=False))
        ok, response, _ = hc.request(url=server.url.replace("ws", "http"))
        assert ok
        assert (response.code, response.headers["upgrade"]) == (426, "websocket")
        assert response.read() == b'bad "upgrade" request header: nil\n'
        hc.close()
