"""Any bytes at all, and any cuts."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import gevent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lasa.http.client import Failure
from tests.helpers import settle
from tests.http.client_tools import Peer, Wire, clean, in_use, new_client, peer, read_pieces
from tests.socket.tools import time_limit

HANG_S = 10.0


class Stage:
    """A peer that sends what the example wants, in pieces of the example's sizes."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.peer: Peer | None = None

    def script(self, wire: Wire) -> None:
        wire.head()
        for piece in self.pieces:
            wire.send(piece)
            gevent.sleep(0)
        wire.sock.shutdown(1)
        wire.rest()

    def ask(self, pieces: list[bytes], **options: Any) -> tuple[Any, ...]:
        """Return code, body and error word of the answer, the same whether it is a stream or not."""
        self.pieces = pieces
        assert self.peer is not None
        with time_limit(HANG_S):
            result = new_client(keepalive=0).request(url=self.peer.url, **options)
        assert len(result) == 3
        ok, response, reader = result
        if not ok:
            assert ok is None
            assert isinstance(response, Failure)
            assert reader is None
            code = None if response.response is None else response.response.code
            return code, response.partial, str(response)
        headers = sorted(response.headers.items())
        if reader is None:
            return response.code, response.body, None, headers
        with time_limit(HANG_S):
            body, err = read_pieces(reader)
        return (response.code, body, None, headers) if err is None else (response.code, body, err)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage()
    with clean(), peer(made.script) as server:
        made.peer = server
        yield made
        settle()
        assert in_use() == {}


def cut_at(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


line = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 100 Continue",
        b"HTTP/1.1 204 No",
        b"HTTP/1.1 304 No",
        b"HTTP/1.1 101 Switch",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 302 Found",
        b"Location: /",
        b"Content-Length: 5",
        b"Content-Length: 0",
        b"Transfer-Encoding: chunked",
        b"Content-Encoding: gzip",
        b"Content-Encoding: deflate, br",
        b"Connection: close",
        b"Connection: keep-alive, upgrade",
        b"Upgrade: x",
        b"Set-Cookie: a=b",
        b"Content-Type: text/plain; charset=utf-16",
        b"X: \xff",
        b"",
        b"5",
        b"hello",
        b"0",
        b"\x00",
    ]
)
nearly_http = st.lists(st.one_of(line, st.binary(max_size=6)), max_size=12).map(b"\r\n".join)
anything = st.one_of(st.binary(max_size=100), nearly_http, nearly_http.map(lambda rest: b"HTTP/1.1 200 OK\r\n" + rest))


@settings(max_examples=400)
@given(
    answer=anything, places=st.lists(st.integers(0, 1000), max_size=5), method=st.sampled_from(["GET", "HEAD", "POST"])
)
def test_any_bytes_give_a_result_and_never_an_exception_or_a_hang(
    stage: Stage, answer: bytes, places: list[int], method: str
) -> None:
    result = stage.ask(cut_at(answer, places), method=method, follow_redirects=2, cookies={})
    assert len(result) in (3, 4)


token = st.text("abcXYZ-09", min_size=1, max_size=8).map(str.encode)
value = st.binary(max_size=10).map(lambda raw: bytes(byte for byte in raw if 32 < byte != 127))


@st.composite
def valid_answers(draw: st.DrawFn) -> bytes:
    body = draw(st.binary(max_size=200))
    fields = [(b"X-" + name, text) for name, text in draw(st.lists(st.tuples(token, value), max_size=4))]
    if draw(st.booleans()):
        fields.append((b"Content-Encoding", b"gzip"))
        body = gzip.compress(body, mtime=0)
    framing = draw(st.sampled_from(["sized", "chunked", "unframed"]))
    interim = b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" * draw(st.integers(0, 2))
    if framing == "sized":
        fields.append((b"Content-Length", b"%d" % len(body)))
    elif framing == "chunked":
        fields.append((b"Transfer-Encoding", b"chunked"))
        size = draw(st.integers(1, 50))
        chunks = [body[at : at + size] for at in range(0, len(body), size)]
        extension = draw(st.sampled_from([b"", b";a=b"]))
        trailers = draw(st.sampled_from([b"", b"X-T: 1\r\n"]))
        body = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
        body += b"0\r\n" + trailers + b"\r\n"
    head = b"".join(b"%b: %b\r\n" % field for field in draw(st.permutations(fields)))
    code = draw(st.sampled_from([200, 201, 404, 500]))
    return interim + b"HTTP/1.1 %d Reason\r\n%b\r\n%b" % (code, head, body)


@settings(max_examples=200)
@given(answer=valid_answers(), places=st.lists(st.integers(0, 1000), min_size=1, max_size=8), stream=st.booleans())
def test_an_answer_means_the_same_wherever_it_is_cut(
    stage: Stage, answer: bytes, places: list[int], stream: bool
) -> None:
    whole = stage.ask([answer])
    assert len(whole) == 4
    assert stage.ask(cut_at(answer, places), stream=stream) == whole


@settings(max_examples=100)
@given(answer=valid_answers(), at=st.integers(0, 1000), places=st.lists(st.integers(0, 1000), max_size=3))
def test_an_answer_that_ends_early_is_never_a_success_with_less(
    stage: Stage, answer: bytes, at: int, places: list[int]
) -> None:
    whole = stage.ask([answer])
    early = stage.ask(cut_at(answer[: at % (len(answer) + 1)], places))
    if len(early) == 4 and b"\r\nContent-Length: " not in answer and b"\r\nTransfer-Encoding: " not in answer:
        assert whole[1].startswith(early[1])  # its end is its length
    elif len(early) == 4:
        assert early == whole
    elif early[1] is not None:
        assert whole[1].startswith(early[1])
