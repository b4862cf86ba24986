"""WebSockets on an HTTP server's port: beside plain requests, refused, logged, and beside WSGI."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from gevent.queue import Queue

import lasa
from lasa import thread, websocket
from lasa.http import client as http_client
from lasa.http import wsgi
from lasa.http.server import Request, Server
from lasa.websocket import Closing, WebSocket
from lasa.websocket.client import ClientWebSocket
from tests.conftest import Certificates
from tests.http.tools import answers, read_answer, serving, talk
from tests.http.tools import connect as connect_by_http
from tests.websocket.tools import TEXT, frame, nothing_left, raw_connection, request

GET = b"GET /plain HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET /plain HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def echo(wb: WebSocket) -> None:
    for message in wb:
        wb.send(message)


def both(asked: Request) -> Any:
    """Plain answers, and an echo for whoever asks for a WebSocket."""
    if asked.path == "/plain":
        return f"plain, {asked.is_websocket}"
    wb, _ = asked.websocket(protocols=["chat"], origins=["https://example.com", None])
    if wb is not None:
        echo(wb)
    return None


def connect(server: Server, path: str = "/", **options: Any) -> ClientWebSocket:
    uri = f"{server.url.replace('http', 'ws', 1)}{path}"
    wb, err = websocket.client.connect(uri, **{"proxy": False, "ssl_verify": False, **options})
    assert wb is not None, err
    return wb


def raw(server: Server) -> Any:
    return raw_connection(server)  # type: ignore[arg-type]


def test_websockets_and_plain_requests_share_a_port() -> None:
    with nothing_left(), serving(both) as server:
        wbs = [connect(server, protocols=["chat"]) for _ in range(3)]
        assert [answer.body for answer in answers(talk(server, GET + LAST))] == [b"plain, False"] * 2
        for wb in wbs:
            assert wb.protocol == "chat"
            wb.send("hello")
            assert wb.receive(5) == ("hello", None)
            assert wb.close() == (Closing(1000, "", "us"), None)


def test_they_share_it_over_tls_too(certificates: Certificates) -> None:
    with (
        nothing_left(),
        serving(both, ssl={"ssl_cert": certificates.issue("localhost")}) as server,
        connect(server) as wb,
    ):
        assert wb.send(b"x" * 300_000)[1] is None
        assert wb.receive(5) == (b"x" * 300_000, None)
        assert answers(talk(server, LAST, ssl_verify=False))[0].body == b"plain, False"
        assert wb.close()[1] is None


def test_a_handler_sees_which_request_asks_for_a_websocket() -> None:
    found = []

    def handler(asked: Request) -> str:
        found.append(asked.is_websocket)
        return "answered all the same"

    fields = ["Upgrade: websocket", "Upgrade: WebSocket", "Upgrade: h2c", "Upgrade: websockets"]
    with serving(handler) as server, raw(server) as wire:
        for field in fields:
            wire.send(request("/", field))
            assert wire.head().startswith(b"HTTP/1.1 200 ")
            wire.until(b"all the same")
        wire.send(GET)
        wire.head()
    assert found == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("data", "status", "fields", "text"),
    [
        (GET.replace(b"/plain", b"/"), 426, {"upgrade": "websocket"}, 'bad "upgrade" request header: nil\n'),
        (request("/", "Upgrade: h2c"), 400, {}, 'bad "upgrade" request header: h2c\n'),
        (request(without="Sec-WebSocket-Key"), 400, {}, 'bad "sec-websocket-key" request header\n'),
        (
            request("/", "Sec-WebSocket-Version: 12"),
            426,
            {"sec-websocket-version": "13", "upgrade": "websocket"},
            'bad "sec-websocket-version" request header\n',
        ),
        (request("/", "Origin: https://evil.example"), 403, {}, "origin not allowed: https://evil.example\n"),
        (
            request().replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\nabc"),
            405,
            {"allow": "GET"},
            "bad request method: POST\n",
        ),
        (request().replace(b"GET", b"HEAD"), 405, {"allow": "GET"}, ""),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_a_refused_client_is_answered_and_its_connection_goes_on(
    data: bytes, status: int, fields: dict[str, str], text: str
) -> None:
    with nothing_left(), serving(both) as server, connect_by_http(server) as sock:
        for _ in range(2):
            sock.send(data)
            answer, rest = read_answer(sock, "HEAD" if data.startswith(b"HEAD") else "GET")
            assert (answer.status, answer.body.decode(), rest) == (status, text, b"")
            assert {name: answer.headers.get(name) for name in fields} == fields
            assert answer.headers.get("connection", "keep-alive") != "close"
        sock.send(GET)
        assert read_answer(sock)[0].body == b"plain, False"
        sock.send(request())
        assert read_answer(sock)[0].status == 101


def test_a_refusal_over_http_1_0_ends_the_connection() -> None:
    with serving(both) as server:
        (answer,) = answers(talk(server, request().replace(b"HTTP/1.1", b"HTTP/1.0")))
    assert (answer.status, answer.body) == (400, b"bad http version\n")


def test_a_body_before_the_switch_is_refused_and_nothing_of_it_taken_for_frames() -> None:
    with serving(both) as server:
        for data in (
            request("/", "Content-Length: 5") + b"hello",
            request("/", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n",
        ):
            answer, *others = answers(talk(server, data + LAST))
            assert answer.status == 400
            assert [other.body for other in others] == [b"plain, False"]


def test_a_refused_handler_may_answer_nothing_more() -> None:
    outcomes: Queue[Any] = Queue()

    def handler(asked: Request) -> Any:
        outcomes.put(asked.websocket())
        with pytest.raises(RuntimeError, match="answered already"):
            asked.websocket()
        with pytest.raises(RuntimeError, match="answered already"):
            asked.answer(200)
        outcomes.put("that was all")
        return None

    with serving(handler) as server:
        assert [answer.status for answer in answers(talk(server, LAST))] == [426]
    assert outcomes.get() == (None, 'bad "upgrade" request header: nil')
    assert outcomes.get() == "that was all"


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"protocol": "a"}, ValueError, 'unknown option "protocol", did you mean "protocols"?'),
        ({"timeout": 5}, ValueError, 'unknown option "timeout"'),
        ({"protocols": 5}, TypeError, "bad protocols"),
        ({"origins": ["example.com"]}, ValueError, "bad origin: 'example.com'"),
        ({"headers": ["Sec-WebSocket-Accept: x"]}, ValueError, "is the handshake's own"),
        ({"headers": "x"}, TypeError, "custom headers must be a mapping or a list"),
        ({"compression": "deflate"}, TypeError, 'bad "compression" option type'),
        ({"max_message": "big"}, ValueError, 'bad "max_message" option value'),
    ],
)
@pytest.mark.parametrize("data", [request() + b"", LAST], ids=["websocket", "plain"])
def test_a_bad_option_raises_before_anything_is_answered(
    options: dict[str, Any], kind: type[Exception], text: str, data: bytes
) -> None:
    def handler(asked: Request) -> Any:
        with pytest.raises(kind) as raised:
            asked.websocket(**options)
        assert text in str(raised.value)
        return 200, {"Connection": "close"}, "told"

    with serving(handler) as server:
        assert [(answer.status, answer.body) for answer in answers(talk(server, data))] == [(200, b"told")]


def test_a_websocket_is_made_once() -> None:
    def handler(asked: Request) -> None:
        wb, err = asked.websocket()
        assert wb is not None, err
        for again in (asked.websocket, asked.respond, asked.upgrade, asked.inform, lambda: asked.answer(200)):
            with pytest.raises(RuntimeError, match="answered already"):
                again()
        echo(wb)

    with serving(handler) as server, connect(server) as wb:
        wb.send("and goes on")
        assert wb.receive(5) == ("and goes on", None)


def test_an_answer_that_has_begun_leaves_no_websocket() -> None:
    def handler(asked: Request) -> Any:
        with asked.respond(200) as response:
            response.send("begun")
            with pytest.raises(RuntimeError, match="answered already"):
                asked.websocket()
        return None

    with serving(handler) as server, raw(server) as wire:
        wire.send(request())
        assert wire.head().startswith(b"HTTP/1.1 200 ")


def test_a_handler_that_returns_or_raises_closes_with_its_code(caplog: pytest.LogCaptureFixture) -> None:
    def handler(asked: Request) -> Any:
        wb, err = asked.websocket()
        assert wb is not None, err
        if asked.path == "/fail":
            raise ZeroDivisionError("secret")
        if asked.path == "/closes":
            return wb.close()
        return "never sent" if asked.path == "/returns" else None

    with nothing_left(), serving(handler) as server:
        for path, code in (("/", 1000), ("/closes", 1000), ("/returns", 1000), ("/fail", 1011)):
            wb = connect(server, path)
            assert wb.receive(5) == (None, "closed")
            assert wb.closing == Closing(code, "", "peer")
    texts = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(texts) == 2
    assert texts[0].endswith("GET /returns: the handler returned an answer beside upgrade()")
    assert texts[1] == "handler failed: GET '/fail'"


def test_what_outlives_the_handler_finds_the_connection_closed() -> None:
    kept: Queue[Any] = Queue()

    def handler(asked: Request) -> None:
        wb, _ = asked.websocket()
        kept.put((asked, wb))

    with nothing_left(), serving(handler) as server:
        with connect(server) as client:
            assert client.receive(5) == (None, "closed")
        asked, wb = kept.get(timeout=5)
        while server.connections:
            lasa.sleep(0.001)
        assert (wb.send("late"), wb.receive(), wb.is_open) == ((None, "closed"), (None, "closed"), False)
        assert wb.closing == Closing(1000, "", "us")
        with pytest.raises(RuntimeError):
            asked.websocket()
        assert asked.headers["upgrade"] == "websocket"


def test_handlers_send_to_each_others_connections() -> None:
    room: set[WebSocket] = set()

    def handler(asked: Request) -> None:
        wb, _ = asked.websocket()
        assert wb is not None
        room.add(wb)
        try:
            for message in wb:
                websocket.broadcast(room, message)
        finally:
            room.discard(wb)

    with nothing_left(), serving(handler) as server:
        wbs = [connect(server) for _ in range(5)]
        while len(room) < 5:
            lasa.sleep(0.001)
        wbs[0].send("to all")
        assert [wb.receive(5) for wb in wbs] == [("to all", None)] * 5
        for wb in wbs:
            wb.close()


def test_the_access_log_has_one_line_for_each_upgrade_once_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    served: Queue[Any] = Queue()
    with serving(both, access_log=served.put) as server:
        wb = connect(server, "/chat?a", headers=["User-Agent: test"])
        wb.send("hello")
        assert wb.receive(5) == ("hello", None)
        assert served.empty()
        wb.close()
        one = served.get(timeout=5)
        assert (one.method, one.target, one.status, one.user_agent) == ("GET", "/chat?a", 101, "test")
        assert one.duration_s > 0
        talk(server, LAST.replace(b"/plain", b"/"))
        assert served.get(timeout=5).status == 426
        assert served.empty()


def test_a_websocket_counts_as_a_connection_of_the_server() -> None:
    with serving(both, max_connections=1) as server:
        wb = connect(server)
        waiting = thread.spawn(talk, server, LAST)
        lasa.sleep(0.01)
        assert (server.connections, thread.status(waiting)) == (1, "running")
        wb.close()
        assert answers(thread.wait(waiting)[1])[0].body == b"plain, False"


def test_lasas_http_client_may_ask_for_the_upgrade_by_itself() -> None:
    fields = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    with serving(both) as server:
        hc = lasa.check(http_client.new(proxy=False))
        ok, response, _ = hc.request(url=f"{server.url}/", headers=fields)
        assert ok, response
        assert response.code == 101
        sock = response.socket
        sock.send(frame(TEXT, b"hello", masked=True))
        assert sock.receive(7) == (frame(TEXT, b"hello"), None, None)
        sock.abort()
        hc.close()


def test_a_wsgi_application_is_served_as_ever_and_has_no_websockets() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ.get("HTTP_UPGRADE", "no upgrade").encode()]

    with serving(wsgi.handler_of(app)) as server:
        data = request("/", "Connection: Upgrade") + LAST
        assert [answer.body for answer in answers(talk(server, data))] == [b"websocket", b"no upgrade"]
