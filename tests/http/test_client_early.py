"""Answers that come while the request is still being sent, and the servers that give them."""

from __future__ import annotations

import contextlib
import io
import os
import socket as stdlib_socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.event import Event

import lasa
from lasa.http.server import Request
from tests.conftest import Certificates
from tests.http.client_tools import (
    OK,
    Peer,
    Script,
    Wire,
    answering,
    chunked,
    clean,
    error_of,
    get,
    header_of,
    idle_connections,
    new_client,
    peer,
    recording,
    redirect,
    sized,
    tls_context,
)
from tests.http.tools import serving

INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
SIZE = 20_000_000  # more than the system holds between two ends, one of which has a small buffer


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    with clean():
        yield


def slow_pieces() -> Iterator[bytes]:
    """Pieces between which the hub runs: an answer comes while nobody sends."""
    for _ in range(SIZE // 20_000):
        yield b"x" * 20_000
        gevent.sleep(0)


def fast_pieces() -> Iterator[bytes]:
    for _ in range(SIZE // 100_000):
        yield b"x" * 30_000


@pytest.fixture(scope="module")
def large_file() -> Iterator[Path]:
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(SIZE)
        yield Path(file.name)


BODIES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "bytes": lambda path: {"body": bytes(SIZE)},
    "list": lambda path: {"body": [bytes(1_000_000)] * (SIZE // 1_000_000)},
    "generator": lambda path: {"body": fast_pieces()},
    "slow generator": lambda path: {"body": slow_pieces()},
    "file": lambda path: {"body": io.BytesIO(bytes(SIZE))},
    "path": lambda path: {"body": path},
    "multipart": lambda path: {"files": {"a": path}},
    "generator of known length": lambda path: {"body": fast_pieces(), "headers": {"Content-Length": SIZE}},
}


def keeps(wire: Wire) -> None:
    """Neither read nor close."""
    Event().wait()


def reads_on(wire: Wire) -> None:
    while wire.sock.recv(1_000_000):
        pass


def ends(wire: Wire) -> None:
    """Say that nothing follows, and read on."""
    wire.sock.shutdown(1)
    reads_on(wire)


def closes(wire: Wire) -> None:
    """Close with bytes unread, which resets the connection behind the answer."""


def resets(wire: Wire) -> None:
    gevent.sleep(0.01)  # the answer arrives before
    wire.reset()


AFTERWARDS = [keeps, reads_on, ends, closes, resets]

ANSWERS = {
    "413": (sized(b"too much", status=b"413 X"), 413, b"too much"),
    "413 and close": (sized(b"too much", b"Connection: close", status=b"413 X"), 413, b"too much"),
    "200": (sized(b"enough"), 200, b"enough"),
    "200 in chunks": (chunked(b"en", b"ough"), 200, b"enough"),
    "204": (b"HTTP/1.1 204 X\r\n\r\n", 204, b""),
    "307": (redirect("/x", 307), 307, b""),
    "500 in chunks": (chunked(b"oh").replace(b"200", b"500"), 500, b"oh"),
    "interim, 401": (INTERIM + sized(b"who?", status=b"401 X"), 401, b"who?"),
}


@contextmanager
def small_peer(*scripts: Script, **options: Any) -> Iterator[Peer]:
    with peer(*scripts, **options) as made:
        made.listener.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_RCVBUF, 100_000)
        yield made


def answering_early(answer: bytes, taken: int, afterwards: Script) -> Script:
    def script(wire: Wire) -> None:
        wire.sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)  # or a reset overtakes the answer
        wire.head()
        wire.exactly(taken)
        wire.send(answer)
        afterwards(wire)

    return script


@pytest.mark.parametrize("afterwards", AFTERWARDS)
@pytest.mark.parametrize("kind", BODIES)
def test_an_early_answer_is_taken_whole_and_at_once_whatever_the_body(
    kind: str, afterwards: Script, large_file: Path
) -> None:
    with small_peer(answering_early(ANSWERS["413"][0], 0, afterwards)) as server:
        begun_s = time.monotonic()
        response = get(server.url, send=5, read=5, **BODIES[kind](large_file))
        assert (response.code, response.body) == (413, b"too much")
        assert time.monotonic() - begun_s < 2
        assert idle_connections() == 0


@pytest.mark.parametrize("afterwards", [keeps, closes])
@pytest.mark.parametrize("name", ANSWERS)
def test_any_early_answer_is_taken_and_ends_the_connection(name: str, afterwards: Script) -> None:
    answer, code, body = ANSWERS[name]
    with small_peer(answering_early(answer, 100_000, afterwards)) as server:
        for source in (bytes(SIZE), slow_pieces()):
            response = get(server.url, body=source)
            assert (response.code, response.read()) == (code, body)
            assert idle_connections() == 0


@pytest.mark.parametrize("afterwards", AFTERWARDS)
def test_an_early_answer_is_taken_over_tls(afterwards: Script, certificates: Certificates) -> None:
    context = tls_context(certificates.issue("localhost"))
    hc = new_client(ssl_ca=certificates.ca)
    for name in ("413", "200"):
        answer, code, body = ANSWERS[name]
        with small_peer(answering_early(answer, 100_000, afterwards), tls=context) as server:
            for source in (bytes(SIZE), fast_pieces()):
                response = get(f"https://localhost:{server.port}/", hc=hc, body=source)
                assert (response.code, response.body) == (code, body)
                assert idle_connections() == 0


def test_an_answer_in_parts_is_waited_for_while_nobody_takes_the_body() -> None:
    def script(wire: Wire) -> None:
        wire.head()
        for part in (b"HTTP/1.1 200", b" OK\r\nContent-Length: 6\r\n\r\n", b"eno", b"ugh"):
            wire.send(part)
            gevent.sleep(0.01)
        keeps(wire)

    with peer(script) as server:
        assert get(server.url, body=bytes(SIZE)).body == b"enough"
        assert idle_connections() == 0


def test_an_answer_without_a_length_is_whole_when_the_server_ends_it() -> None:
    answer = b"HTTP/1.1 200 OK\r\n\r\nenough"
    with small_peer(answering_early(answer, 100_000, ends)) as server:
        assert get(server.url, body=bytes(SIZE)).body == b"enough"
    with small_peer(answering_early(answer, 100_000, closes)) as server:  # a reset is no end
        err = error_of(server.url, body=bytes(SIZE))
        assert err in ("connection reset by peer", "broken pipe")
        assert err.partial == b"enough"


def test_the_rest_of_a_body_is_not_sent_behind_an_answer_that_is_whole() -> None:
    def script(wire: Wire) -> None:
        wire.head()
        wire.send(OK)
        answered.set()
        bodies.append(wire.rest())

    def pieces() -> Iterator[bytes]:
        yield b"one"
        answered.wait()
        gevent.sleep(0.01)
        yield b"two"
        yield b"three"

    answered, bodies = Event(), list[bytes]()
    with peer(script, answering(OK)) as server:
        assert get(server.url, body=pieces()).body == b"ok"
        assert idle_connections() == 0
        assert get(server.url).body == b"ok"
    assert bodies == [b"3\r\none\r\n"]


def test_a_redirect_of_what_can_be_sent_again_is_followed_and_of_the_rest_returned() -> None:
    early = answering_early(redirect("/new", 307), 100_000, keeps)
    with small_peer(early, answering_early(OK, 0, keeps)) as server:
        assert get(server.url, body=bytes(SIZE), follow_redirects=1).url == f"{server.url}/new"
    with small_peer(early, answering(OK)) as server:
        assert get(server.url, body=fast_pieces(), follow_redirects=1).code == 307


def test_a_refusal_that_comes_before_any_request_is_an_answer() -> None:
    def script(wire: Wire) -> None:
        wire.send(sized(b"later", b"Connection: close", status=b"503 X"))

    with peer(script) as server:
        for options in ({}, {"body": b"x"}, {"body": bytes(SIZE)}, {"body": iter([b"x", b"y"])}):
            response = get(server.url, **options)
            assert (response.code, response.body) == (503, b"later")


def test_an_answer_that_is_none_ends_the_sending() -> None:
    for answer, word in (
        (b"SSH-2.0-x\r\n", "bad status line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "bad Content-Length"),
        (chunked(b"ok").replace(b"0\r\n\r\n", b"x\r\n"), "illegal chunk header"),
        (INTERIM * 100, "too many informational responses"),
    ):
        with small_peer(answering_early(answer, 100_000, keeps)) as server:
            for source in (bytes(SIZE), slow_pieces()):
                ok, response, _ = new_client().request(url=server.url, body=source)
                if ok:  # in chunks: the head was an answer
                    with pytest.raises(Exception, match=word):
                        response.read()
                else:
                    assert response == word


def test_what_is_heard_ahead_is_bounded_in_bytes_and_in_memory() -> None:
    with small_peer(answering_early(sized(bytes(5_000_000)), 100_000, keeps)) as server:
        assert error_of(server.url, body=bytes(SIZE), max_body=4_000_000) == "response body too large"
        assert get(server.url, body=bytes(SIZE), max_body=5_000_000).code == 200
    many = b"1\r\nx\r\n" * 30_000
    with small_peer(answering_early(chunked()[:-5] + many + b"0\r\n\r\n", 100_000, keeps)) as server:
        response = get(server.url, body=bytes(SIZE))
        assert len(response._stream._conduit._heard) < 10
        assert response.read() == b"x" * 30_000


def waits_for_ever(ended: list[str], wait: Callable[[], Any]) -> Iterator[bytes]:
    try:
        yield b"one"
        wait()
    finally:
        ended.append("ended")


WAITS: dict[str, Callable[[], Any]] = {
    "gevent's event": lambda: Event().wait(),
    "a semaphore": lambda: lasa.semaphore.new()[0].wait(10),
    "sleep": lambda: lasa.sleep(10),
}


@pytest.mark.parametrize("name", WAITS)
def test_an_iterator_that_waits_is_ended_when_the_answer_has_come_or_the_time_is_over(name: str) -> None:
    ended: list[str] = []
    begun_s = time.monotonic()
    with peer(answering_early(OK, 3, keeps)) as server:
        assert get(server.url, body=waits_for_ever(ended, WAITS[name])).body == b"ok"
        assert idle_connections() == 0
    with peer(keeps) as server:
        assert error_of(server.url, body=waits_for_ever(ended, WAITS[name]), timeout=0.02) == "timeout"
    assert ended == ["ended", "ended"]
    assert time.monotonic() - begun_s < 2


def test_an_answer_that_comes_between_two_pieces_while_others_have_their_turn_ends_the_sending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def script(wire: Wire) -> None:
        wire.head()
        go_on.wait()
        wire.send(sized(b"too much", status=b"413 X"))
        keeps(wire)

    def pieces() -> Iterator[bytes]:
        yield b"one"
        gevent.sleep(0.01)
        go_on.set()
        busy_until_s = time.monotonic() + 0.03
        while time.monotonic() < busy_until_s:  # the slice is spent: the next send gives others their turn first
            pass
        yield bytes(SIZE)

    go_on = Event()
    monkeypatch.setattr("lasa.http._client.transfer.SLICE", SIZE)
    with small_peer(script) as server:
        begun_s = time.monotonic()
        assert get(server.url, body=pieces(), send=1).code == 413
        assert time.monotonic() - begun_s < 0.5


def test_an_iterator_that_swallows_its_end_is_asked_for_nothing_more() -> None:
    asked: list[str] = []

    def pieces() -> Iterator[bytes]:
        yield b"one"
        with contextlib.suppress(BaseException):
            Event().wait()
        asked.append("two")
        yield b"two"
        asked.append("three")

    with peer(answering_early(OK, 3, keeps)) as server:
        assert get(server.url, body=pieces()).body == b"ok"
    assert asked == ["two"]


def test_an_iterator_that_reads_another_answer_can_be_ended_too() -> None:
    with peer(answering_early(OK, 3, keeps)) as server, peer(answer_and_wait) as source:
        inner, reader = lasa.check(new_client().request(url=source.url, stream=True))
        with inner:
            assert get(server.url, body=reader).body == b"ok"


def answer_and_wait(wire: Wire) -> None:
    wire.request()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    keeps(wire)


def test_interim_answers_during_an_upload_do_not_stop_it() -> None:
    def script(wire: Wire) -> None:
        wire.head()
        wire.until(b"one\r\n")
        wire.send(INTERIM)
        wire.until(b"two\r\n")
        wire.send(INTERIM * 2)
        wire.until(b"0\r\n\r\n")
        wire.send(OK)

    def pieces() -> Iterator[bytes]:
        for piece in (b"one", b"two", b"three"):
            yield piece
            gevent.sleep(0.01)  # the interim answer arrives meanwhile

    with peer(script) as server:
        assert get(server.url, body=pieces(), read=5).body == b"ok"
        assert idle_connections() == 1


@pytest.mark.parametrize("size", [1000, 100_000])
def test_a_server_that_echoes_while_it_reads_gets_all_of_the_body(size: int) -> None:
    def echo(request: Request) -> None:
        with request.respond() as response:
            for piece in request.body:
                response.send(piece)

    with serving(echo, max_body=100_000_000) as server:
        pieces = [os.urandom(size) for _ in range(100)]
        response = get(server.url, body=iter(pieces))
        assert response.read() == b"".join(pieces)
        response = get(server.url, body=b"".join(pieces))
        assert response.read() == b"".join(pieces)


def test_a_kill_while_an_answer_is_being_heard_leaves_nothing_open() -> None:
    with small_peer(answering_early(sized(b"enough")[:-1], 100_000, keeps)) as server:
        one = gevent.spawn(get, server.url, body=bytes(SIZE))
        gevent.sleep(0.05)
        one.kill()
        assert idle_connections() == 0


def test_a_timeout_while_an_answer_is_being_heard_is_a_timeout() -> None:
    with small_peer(answering_early(sized(b"enough")[:-1], 100_000, keeps)) as server:
        assert error_of(server.url, body=bytes(SIZE), send=0.05) == "timeout"
        assert error_of(server.url, body=bytes(SIZE), timeout=0.05) == "timeout"


# "Expect: 100-continue"

CONTINUE = {"Expect": "100-Continue"}


BODIES_THAT_WAIT: dict[str, Callable[[], dict[str, Any]]] = {
    "generator": lambda: {"body": iter([b"he", b"llo"]), "expect": True},
    "file": lambda: {"body": io.BytesIO(b"hello"), "expect": True},
    "header and bytes": lambda: {"body": b"hello", "headers": CONTINUE},
    "header and json": lambda: {"json": "hello", "headers": CONTINUE},
    "header and generator": lambda: {"body": iter([b"hello"]), "headers": CONTINUE},
    "both and a list": lambda: {"body": [b"hello"] * 2, "headers": CONTINUE, "expect": True},
    "header and much": lambda: {"body": b"hello" * 100_000, "headers": CONTINUE},
}


def body_of(wire: Wire, head: bytes) -> bytes:
    if b"chunked" in head:
        return wire.until(b"0\r\n\r\n")
    return wire.exactly(int(header_of((head, b""), b"content-length")[0]))


@pytest.mark.parametrize("name", BODIES_THAT_WAIT)
def test_a_body_waits_until_the_server_wants_it(name: str) -> None:
    def script(wire: Wire) -> None:
        head = wire.head()
        expectations.append(header_of((head, b""), b"expect"))
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.02):
            wire.exactly(1)
        wire.send(INTERIM + b"HTTP/1.1 100 Continue\r\n\r\n")
        assert b"llo" in body_of(wire, head)
        wire.send(OK)

    expectations: list[list[bytes]] = []
    with peer(script) as server:
        assert get(server.url, **BODIES_THAT_WAIT[name]()).body == b"ok"
    assert [[value.lower() for value in values] for values in expectations] == [[b"100-continue"]]


@pytest.mark.parametrize("name", BODIES_THAT_WAIT)
def test_a_refusal_to_tell_whether_it_wants_the_body_has_the_request_sent_once_more_without_asking(name: str) -> None:
    def refuse(wire: Wire) -> None:
        heads.append(wire.head())
        wire.send(sized(b"what?", status=b"417 Expectation Failed"))
        assert wire.rest() == b""

    def take(wire: Wire) -> None:
        heads.append(wire.head())
        assert b"llo" in body_of(wire, heads[-1])
        wire.send(OK)

    heads: list[bytes] = []
    with peer(refuse, take) as server:
        response = get(server.url, **BODIES_THAT_WAIT[name]())
        assert (response.body, response.history) == (b"ok", ())
    assert [bool(header_of((head, b""), b"expect")) for head in heads] == [True, False]


def test_a_417_is_the_answer_where_nobody_was_asked_or_the_body_is_used_up() -> None:
    refusal = sized(b"what?", status=b"417 Expectation Failed")
    for options, requests in (
        ({}, 1),
        ({"body": b"hello"}, 1),
        ({"body": b"hello", "headers": CONTINUE}, 2),  # the second time it is no question any more
        ({"body": iter([b"x"]), "expect": True}, 1),
    ):
        with recording(refusal) as server:
            assert get(server.url, read=0.02, **options).code == 417
        assert len(server.requests) == requests


def test_a_body_that_nobody_has_begun_to_take_follows_a_redirect() -> None:
    def script(wire: Wire) -> None:
        wire.head()
        wire.send(redirect("/new", 307))

    with peer(script, answering(OK)) as server:
        response = get(server.url, body=iter([b"x"]), expect=True, follow_redirects=1, read=0.05)
        assert (response.code, response.url) == (200, f"{server.url}/new")


@pytest.mark.parametrize("options", [{}, {"body": b""}, {"method": "POST"}, {"body": [], "expect": True}])
def test_without_a_body_nobody_is_asked_whether_it_is_wanted(options: dict[str, Any]) -> None:
    with recording() as server:
        get(server.url, headers=CONTINUE, **options)
        get(server.url, hc=new_client(headers={**CONTINUE, "A": "1"}), **options)
    for request in server.requests:
        assert header_of(request, b"expect") == []


def test_another_expectation_is_the_callers_own() -> None:
    with recording() as server:
        get(server.url, headers={"Expect": "x"}, body=b"hello")
        get(server.url, headers={"Expect": "x"})
    assert [header_of(request, b"expect") for request in server.requests] == [[b"x"], [b"x"]]
