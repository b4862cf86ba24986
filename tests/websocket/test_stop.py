"""A server that stops: every WebSocket gets 1001, its handler the grace; what does not go is cut and named."""

from __future__ import annotations

import gc
import socket as stdlib_socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gevent.queue import Queue

import lasa
from lasa import semaphore, thread, websocket
from lasa.http.server import Request
from lasa.http.server import Server as HttpServer
from lasa.websocket import Closing, WebSocket
from lasa.websocket.client import ClientWebSocket
from lasa.websocket.server import Server, ServerWebSocket
from tests.conftest import Certificates
from tests.http.tools import serving as serving_http
from tests.socket.tools import result_of
from tests.websocket.tools import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    Far,
    accepting,
    frame,
    nothing_left,
    raw_connection,
    request,
    serving,
)

AWAY = b"\x03\xe9"  # 1001
GRACE_S = 20.0  # none of these tests takes it
Handler = Callable[[WebSocket], Any]


class Gathering:
    """A handler that reports what it met.

    Attributes:
        arrived: the connections, as they come.
        ended: how each has ended.
    """

    def __init__(self, serve: Handler) -> None:
        self.serve = serve
        self.arrived: Queue[WebSocket] = Queue()
        self.ended: Queue[Any] = Queue()

    def __call__(self, wb: WebSocket) -> None:
        self.arrived.put(wb)
        try:
            self.serve(wb)
        finally:
            self.ended.put(wb.closing)


def echo(wb: WebSocket) -> None:
    for message in wb:
        wb.send(message)


def waits(wb: WebSocket) -> None:
    lasa.sleep(60)


def connect(server: Server | HttpServer, **options: Any) -> ClientWebSocket:
    wb, err = websocket.client.connect(
        server.url.replace("http", "ws"), **{"proxy": False, "ssl_verify": False, **options}
    )
    assert wb is not None, err
    return wb


@contextmanager
def far_client(server: Server | HttpServer, path: str = "/") -> Iterator[Far]:
    """A raw client whose handshake a server has accepted."""
    with raw_connection(server) as wire:  # type: ignore[arg-type]
        wire.send(request(path))
        assert wire.head().startswith(b"HTTP/1.1 101 ")
        yield Far(wire, masks=True)


def leave(far: Far, payload: bytes = AWAY) -> None:
    """Answer the close as a client should: the server ends TCP, and then the client does."""
    far.send(CLOSE, payload)
    assert far.next() is None
    far.wire.close()


def name_of(far: Far, path: str = "/") -> str:
    """The raw client as stop() names it."""
    ip, port = far.wire.sock.getsockname()
    return f"{ip}:{port} GET {path}"


@pytest.fixture(params=["of its own", "of the HTTP server"])
def starting(request: pytest.FixtureRequest) -> Any:
    """Serve a handler of WebSockets on either kind of server."""
    if request.param == "of its own":
        return serving

    def by_http(handler: Handler, **options: Any) -> Any:
        def answer(request: Request) -> None:
            wb, err = request.websocket(**options)
            assert wb is not None, err
            handler(wb)

        return serving_http(answer)

    return by_http


def test_idle_clients_get_1001_and_nothing_is_cut(starting: Any) -> None:
    handler = Gathering(echo)
    with nothing_left(), starting(handler) as server, far_client(server) as far:
        wbs = [connect(server) for _ in range(20)]
        receivers = [thread.spawn(wb.receive) for wb in wbs]
        stopping = thread.spawn(server.stop, GRACE_S)
        far.next_is(CLOSE, AWAY)
        leave(far)
        for wb, receiver in zip(wbs, receivers, strict=True):
            assert result_of(receiver) == (None, "closed")
            assert wb.closing == Closing(1001, "", "peer")
        assert result_of(stopping) == (True, [])
        assert [handler.ended.get(timeout=1) for _ in range(21)] == [Closing(1001, "", "us")] * 21


def test_a_client_that_answers_with_another_code_or_none_is_gone_all_the_same(starting: Any) -> None:
    for payload in (b"", b"\x03\xe8", b"\x0f\xa1why"):
        handler = Gathering(echo)
        with starting(handler) as server, far_client(server) as far:
            stopping = thread.spawn(server.stop, GRACE_S)
            far.next_is(CLOSE, AWAY)
            leave(far, payload)
            assert result_of(stopping) == (True, [])
            assert handler.ended.get(timeout=1) == Closing(1001, "", "us")


def test_the_client_knows_at_once_though_the_handler_is_busy_which_has_the_grace(starting: Any) -> None:
    done, _ = semaphore.new(0)
    outcomes = []

    def works(wb: WebSocket) -> None:
        done.wait(10)
        outcomes.append((wb.send("result"), wb.receive(), wb.is_open))

    with nothing_left(), starting(Gathering(works)) as server, far_client(server) as far:
        stopping = thread.spawn(server.stop, GRACE_S)
        far.next_is(CLOSE, AWAY)
        leave(far)
        assert thread.status(stopping) == "running"
        done.post()
        assert result_of(stopping) == (True, [])
        assert outcomes == [((None, "closed"), (None, "closed"), False)]


def test_a_handler_that_sends_as_long_as_it_is_open_notices_the_close(starting: Any) -> None:
    def sends(wb: WebSocket) -> None:
        while wb.is_open:
            wb.send(bytes(65_000))

    with nothing_left(), starting(sends, compression=False) as server, far_client(server) as far:
        far.next_is(BINARY, bytes(65_000))
        stopping = thread.spawn(server.stop, GRACE_S)
        while (found := far.next()) is not None and found.opcode != CLOSE:
            pass
        leave(far)
        assert result_of(stopping) == (True, [])


def test_a_handler_that_never_ends_is_cut_and_named_and_cleans_up(starting: Any) -> None:
    handler = Gathering(waits)
    with nothing_left(), starting(handler) as server, far_client(server, "/x?y") as far:
        name = name_of(far, "/x?y")
        stopping = thread.spawn(server.stop, 0.05)
        far.next_is(CLOSE, AWAY)
        leave(far)
        assert result_of(stopping) == (True, [name])
        assert handler.ended.get(timeout=1) == Closing(1001, "", "us")


def test_a_client_that_never_answers_is_cut_and_named(starting: Any) -> None:
    handler = Gathering(echo)
    with nothing_left(), starting(handler) as server, far_client(server) as far, far_client(server) as polite:
        stopping = thread.spawn(server.stop, 0.25)
        for one in (far, polite):
            one.next_is(CLOSE, AWAY)
        leave(polite)
        assert result_of(stopping) == (True, [name_of(far)])
        assert far.next() is None


def test_a_client_that_never_answers_has_no_more_than_its_close_timeout(starting: Any) -> None:
    handler = Gathering(echo)
    with nothing_left(), starting(handler, close_timeout_s=0.05) as server, far_client(server) as far:
        stopping = thread.spawn(server.stop, GRACE_S)
        far.next_is(CLOSE, AWAY)
        assert far.next() is None
        assert result_of(stopping) == (True, [])
        assert handler.ended.get(timeout=1) == Closing(1001, "", "us")


def test_a_client_that_goes_on_talking_is_cut_too(starting: Any) -> None:
    def talk(far: Far) -> None:
        while True:
            try:
                far.send(TEXT, b"and another thing")
            except OSError:
                return
            lasa.sleep(0.002)

    with nothing_left(), starting(echo, close_timeout_s=0.05) as server, far_client(server) as far:
        stopping = thread.spawn(server.stop, GRACE_S)
        far.next_is(CLOSE, AWAY)
        talker = thread.spawn(talk, far)
        assert result_of(stopping) == (True, [])
        assert thread.wait(talker)[0]


def test_a_client_in_the_middle_of_a_message_may_break_it_off_or_end_it(starting: Any) -> None:
    received: Queue[Any] = Queue()

    def receive(wb: WebSocket) -> None:
        received.put((wb.receive(), wb.receive()))

    for rest in (b"", frame(CONTINUATION, b"end", masked=True)):
        with nothing_left(), starting(receive) as server, far_client(server) as far:
            far.send(TEXT, b"begin, ", fin=False)
            stopping = thread.spawn(server.stop, GRACE_S)
            far.next_is(CLOSE, AWAY)
            far.wire.send(rest)
            leave(far)
            assert result_of(stopping) == (True, [])
            first = ("begin, end", None) if rest else (None, "closed")
            assert received.get(timeout=1) == (first, (None, "closed"))


def test_a_client_in_the_middle_of_a_frame_is_told_and_cut_if_it_stays_there(starting: Any) -> None:
    with nothing_left(), starting(echo) as server, far_client(server) as far:
        far.wire.send(frame(TEXT, b"x" * 1000, masked=True)[:500])
        stopping = thread.spawn(server.stop, 0.05)
        far.next_is(CLOSE, AWAY)
        assert result_of(stopping) == (True, [name_of(far)])


def test_a_message_that_is_on_its_way_arrives_whole_before_the_close(starting: Any) -> None:
    size = 8_000_000  # more than the kernel takes

    def sends(wb: WebSocket) -> None:
        wb.send(bytes(size))
        wb.receive()

    with nothing_left(), starting(sends, compression=False) as server, far_client(server) as far:
        far.wire.sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_RCVBUF, 65_536)
        stopping = thread.spawn(server.stop, GRACE_S)
        far.next_is(BINARY, bytes(size))
        far.next_is(CLOSE, AWAY)
        leave(far)
        assert result_of(stopping) == (True, [])


def test_a_message_that_is_sent_in_fragments_is_broken_off_by_the_close(starting: Any) -> None:
    outcomes: Queue[Any] = Queue()
    more, _ = semaphore.new(0)

    def pieces() -> Iterator[str]:
        while True:
            yield "piece"
            more.wait(10)

    def sends(wb: WebSocket) -> None:
        outcomes.put(wb.send(pieces()))

    with nothing_left(), starting(sends, compression=False) as server, far_client(server) as far:
        far.next_is(TEXT, b"piece", fin=False)
        stopping = thread.spawn(server.stop, GRACE_S)
        far.next_is(CLOSE, AWAY)
        more.post()
        assert outcomes.get(timeout=5) == (None, "closed")
        leave(far)
        assert result_of(stopping) == (True, [])


def test_a_client_that_takes_nothing_is_cut_and_named(starting: Any) -> None:
    outcomes: Queue[Any] = Queue()

    def sends(wb: WebSocket) -> None:
        try:
            wb.send(bytes(50_000_000))
        finally:
            outcomes.put("cleaned up")

    with nothing_left(), starting(sends, compression=False) as server, far_client(server) as far:
        far.wire.exactly(10)
        assert server.stop(0.05) == (True, [name_of(far)])
        assert outcomes.get(timeout=1) == "cleaned up"


def test_nobody_waits_for_those_who_still_shake_hands(certificates: Certificates) -> None:
    options: dict[str, Any]
    for options in ({}, {"ssl": {"ssl_cert": certificates.issue("localhost")}}):
        with (
            nothing_left(),
            serving(echo, **options) as server,
            raw_connection(server) as silent,
            raw_connection(server) as slow,
            raw_connection(server) as slower,
        ):
            slow.send(b"\x16\x03\x01\x02" if options else b"GET / HTTP/1.1\r\nUpg")
            slower.send(b"\x16" if options else b"G")
            while server.connections < 3:
                lasa.sleep(0.001)
            assert server.stop(0.05) == (True, [])
            assert [one.rest() for one in (silent, slow, slower)] == [b""] * 3


def test_a_handshake_that_is_there_when_the_server_stops_is_answered_and_closed_with_1001() -> None:
    with nothing_left(), serving(echo) as server, raw_connection(server) as wire:
        while server.connections < 1:
            lasa.sleep(0.001)
        wire.send(request())  # the hub has not seen it yet
        stopping = thread.spawn(server.stop, GRACE_S)
        assert wire.head().startswith(b"HTTP/1.1 101 ")
        far = Far(wire, masks=True)
        far.next_is(CLOSE, AWAY)
        leave(far)
        assert result_of(stopping) == (True, [])


def test_without_a_grace_every_client_is_told_and_cut_at_once(starting: Any) -> None:
    handler = Gathering(echo)
    with nothing_left(), starting(handler) as server, far_client(server) as far, far_client(server) as other:
        for _ in range(2):
            handler.arrived.get(timeout=5)
        ok, cut = server.stop(0)
        assert (ok, sorted(cut)) == (True, sorted([name_of(far), name_of(other)]))
        for one in (far, other):
            one.next_is(CLOSE, AWAY)
            assert one.next() is None


def test_a_client_that_is_closing_already_is_let_finish(starting: Any) -> None:
    closings: Queue[Any] = Queue()

    def closes(wb: WebSocket) -> None:
        closings.put(wb.close(4000, "enough"))

    with nothing_left(), starting(closes) as server, far_client(server) as far:
        far.next_is(CLOSE, b"\x0f\xa0enough")
        stopping = thread.spawn(server.stop, GRACE_S)
        far.send(PING, b"")
        leave(far, b"\x0f\xa0")
        assert result_of(stopping) == (True, [])
        assert closings.get(timeout=1) == (Closing(4000, "enough", "us"), None)


def test_a_handler_may_stop_the_server_it_runs_in() -> None:
    stopped: Queue[Any] = Queue()

    def handler(wb: WebSocket) -> None:
        if wb.receive()[0] == "stop":
            stopped.put(server.stop(GRACE_S))

    with nothing_left(), serving(handler) as server:
        idle, asking = connect(server), connect(server)
        asking.send("stop")
        for wb in (idle, asking):
            assert wb.receive(5) == (None, "closed")
            assert wb.closing == Closing(1001, "", "peer")
        assert stopped.get(timeout=5) == (True, [])


def test_nobody_is_taken_after_it_and_the_address_is_free(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with serving(echo) as server, serving(echo, f"unix:{path}") as by_path:
        assert (server.stop(1), by_path.stop(1)) == ((True, []), (True, []))
        wb, err = websocket.client.connect(server.url, proxy=False)
        assert (wb, err) == (None, "failed to connect: connection refused")
        assert not path.exists()
        again = lasa.check(websocket.server.new(f"127.0.0.1:{server.address[1]}"))
        assert again.close() == (1, None)
        assert again.close() == (None, "closed")
        assert server.stop() == (True, [])


@pytest.mark.parametrize(
    ("grace_s", "kind"), [(-1, ValueError), ("1", TypeError), (True, TypeError), (None, TypeError)]
)
def test_a_grace_is_a_number_of_seconds(grace_s: Any, kind: type[Exception]) -> None:
    with serving(echo) as server:
        with pytest.raises(kind, match="bad grace_s"):
            server.stop(grace_s)
        assert connect(server).close()[1] is None


def test_two_hundred_clients_are_gone_in_a_moment() -> None:
    handler = Gathering(echo)
    with serving(handler) as server:
        wbs = [connect(server) for _ in range(200)]
        assert server.stop(GRACE_S) == (True, [])
        assert {wb.receive(5) for wb in wbs} == {(None, "closed")}
        assert {wb.closing for wb in wbs} == {Closing(1001, "", "peer")}
    gc.collect()


# the level of frames


def test_whoever_waits_in_accept_gets_closed() -> None:
    with accepting() as server:
        waiting = [thread.spawn(server.accept) for _ in range(3)]
        lasa.sleep(0)
        assert server.stop(1) == (True, [])
        assert [result_of(one) for one in waiting] == [(None, "closed")] * 3
        assert server.accept() == (None, "closed")


def test_what_accept_has_returned_goes_on_and_what_it_has_not_is_cut() -> None:
    with nothing_left(), accepting() as server:
        waiting = thread.spawn(server.accept)
        with far_client(server) as taken, far_client(server) as not_taken:
            wbc, err = result_of(waiting)
            assert isinstance(wbc, ServerWebSocket), err
            assert server.stop(1) == (True, [])
            assert not_taken.next() is None
            taken.send(TEXT, b"still")
            assert wbc.recv_frame() == (b"still", "text", None)
            assert wbc.send_text("there")[1] is None
            taken.next_is(TEXT, b"there")
            assert wbc.close() == (1, None)
            taken.next_is(CLOSE, b"")
        assert server.accept() == (None, "closed")
