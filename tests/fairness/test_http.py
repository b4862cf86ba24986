"""HTTP's client and server: a peer that sends or takes as fast as it can holds nobody else up."""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import pytest

import lasa
from lasa.http import client, events
from lasa.http.server import Request
from lasa.thread import spawn
from tests.fairness.lateness import most_held_up_s
from tests.fairness.peer import Plan, running
from tests.http.tools import serving

BOUND_S = 0.05
HEAD = b"HTTP/1.1 200 OK\r\n"
ENDLESS = HEAD + b"\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
NO_LIMIT = 1 << 50


def exhaust(items: Iterable[Any]) -> None:
    deque(items, maxlen=0)


def chunk(size: int) -> bytes:
    return b"%x\r\n%s\r\n" % (size, b"x" * (size - 1) + b"\n")


ANSWERS: dict[str, tuple[bytes, bytes]] = {
    "no framing": (ENDLESS, b"some text\n"),
    "empty lines": (ENDLESS, b"\n"),
    "chunks of 1": (CHUNKED, chunk(1)),
    "chunks of 600": (CHUNKED, chunk(600)),
    "chunks of 5,000": (CHUNKED, chunk(5000)),
    "chunks of 100,000": (CHUNKED, chunk(100_000)),
}
CALLS: dict[str, Callable[[Any], Any]] = {
    "lines": lambda response: exhaust(response.lines()),
    "pieces": lambda response: exhaust(response.pieces()),
    "reader": lambda response: response.read(),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_that_comes_faster_than_it_is_read(kind: str, call: str) -> None:
    first, block = ANSWERS[kind]
    with running(Plan("server", first=first, block=block, waits=True)) as port, client.new()[0] as hc:
        response, _ = lasa.check(hc.request(url=f"http://127.0.0.1:{port}/", stream=True, max_body=NO_LIMIT))
        naps = 5 if call == "reader" else 20  # which gathers it all
        assert most_held_up_s(lambda: CALLS[call](response), naps) < BOUND_S
        response.close()


@pytest.mark.parametrize("call", CALLS)
def test_an_answer_that_inflates(call: str) -> None:
    packer = zlib.compressobj(1, wbits=31)
    text = b"".join(os.urandom(10) + b"x" * 989 + b"\n" for _ in range(1000))  # a hundredth of it on the wire
    data = b"".join(packer.compress(text) for _ in range(100)) + packer.flush()
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(data)
    with running(Plan("server", first=head + data, waits=True)) as port, client.new()[0] as hc:
        url = f"http://127.0.0.1:{port}/"
        response, _ = lasa.check(hc.request(url=url, stream=True, max_body=NO_LIMIT))
        assert most_held_up_s(lambda: CALLS[call](response), 3) < BOUND_S
        response.close()


@pytest.mark.parametrize("event", [b"data: x\n\n", b": comment\n", b"data\n", b"\n"])
def test_server_sent_events_that_come_faster_than_they_are_taken(event: bytes) -> None:
    head = HEAD + b"Content-Type: text/event-stream\r\n\r\n"
    with running(Plan("server", first=head, block=event * 100 + b"\n", waits=True)) as port:
        source = events.subscribe(f"http://127.0.0.1:{port}/", max_event_bytes=1 << 30)
        assert most_held_up_s(lambda: exhaust(source)) < BOUND_S
        source.close()


def test_a_body_that_is_sent_to_a_peer_that_takes_it_as_fast() -> None:
    def pieces() -> Iterable[bytes]:
        while True:
            yield b"x" * 100

    with running(Plan("server")) as port, client.new()[0] as hc:
        assert most_held_up_s(lambda: hc.request(url=f"http://127.0.0.1:{port}/", body=pieces())) < BOUND_S


def test_a_server_whose_client_takes_as_fast_as_it_answers() -> None:
    def handler(_: Request) -> Any:
        while True:
            yield b"x" * 100

    with serving(handler) as server:
        request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        with running(Plan("client", server.address[1] or 0, first=request)):
            assert most_held_up_s(lambda: lasa.sleep(100)) < BOUND_S


REQUESTS: dict[str, tuple[bytes, bytes]] = {
    "pipelined": (b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "tiny chunks": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(1)),
    "chunks": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(600)),
    "a length": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999\r\n\r\n", b"x" * 100),
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_server_whose_client_sends_faster_than_it_reads(kind: str) -> None:
    def handler(request: Request) -> str:
        exhaust(request.body)
        return "hello"

    first, block = REQUESTS[kind]
    with serving(handler, max_body=NO_LIMIT) as server, running(Plan("client", server.address[1] or 0, first, block)):
        assert most_held_up_s(lambda: lasa.sleep(100)) < BOUND_S


FORMS = {
    "a file": (b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n', b"some text\r\n" * 100),
    "a file of almost boundaries": (
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n',
        b"\r\n--a",
    ),
    "fields": (b"", b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\n1\r\n'),
    "a preamble": (b"x\r\n", b"\r\n--a"),
}


@pytest.mark.parametrize("kind", FORMS)
def test_a_form_that_comes_faster_than_it_is_read(kind: str) -> None:
    def handler(request: Request) -> str:
        request.form()
        return "hello"

    head = (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    first, block = FORMS[kind]
    with serving(handler, max_body=NO_LIMIT) as server:
        plan = Plan("client", server.address[1] or 0, head + first, block)

        with running(plan):
            assert most_held_up_s(lambda: lasa.sleep(100), 10) < BOUND_S


def test_many_fast_clients_at_once() -> None:
    def handler(request: Request) -> str:
        exhaust(request.body)
        return "hello"

    first, block = REQUESTS["tiny chunks"]
    with serving(handler, max_body=NO_LIMIT) as server:
        plan = Plan("client", server.address[1] or 0, first, block)
        with running(plan), running(plan), running(plan):
            spawn(lasa.sleep, 0.01)
            assert most_held_up_s(lambda: lasa.sleep(100)) < BOUND_S
