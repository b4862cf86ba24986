"""The client against peers that cut, lie, stall and flood."""

from __future__ import annotations

import gzip
import io
import os
import ssl
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

import lasa
from lasa import thread
from lasa.http.client import Failure
from tests.conftest import Certificates
from tests.helpers import settle
from tests.http.client_tools import (
    OK,
    Script,
    Wire,
    answer_and_close,
    answering,
    asleep,
    chunked,
    clean,
    error_of,
    get,
    idle_connections,
    in_use,
    new_client,
    peer,
    read_pieces,
    silent,
    sized,
    tls_context,
)
from tests.socket.tools import failure_of, result_of, silent_listener, spawn_blocked

PACKED = gzip.compress(bytes(range(256)) * 3, mtime=0)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    with clean():
        yield


# Cuts

SIZED = sized(b"hello, world")
CHUNKED = chunked(b"hello", b", world")
CHUNKED_WITH_TRAILERS = chunked(b"hello", b", world", trailers=b"X-A: 1\r\n")
SIZED_GZIP = sized(PACKED, b"Content-Encoding: gzip")
CHUNKED_GZIP = chunked(PACKED[:50], PACKED[50:], fields=(b"Content-Encoding: gzip",))
UNFRAMED_GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + PACKED


def cut_everywhere(answer: bytes) -> Script:
    """A script for all connections: the nth one gets the first n bytes of the answer."""
    return lambda wire: (wire.request(), wire.send(answer[: wire.index]))


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (SIZED, b"hello, world"),
        (CHUNKED, b"hello, world"),
        (CHUNKED_WITH_TRAILERS, b"hello, world"),
        (SIZED_GZIP, gzip.decompress(PACKED)),
        (CHUNKED_GZIP, gzip.decompress(PACKED)),
        (UNFRAMED_GZIP, gzip.decompress(PACKED)),
    ],
    ids=["sized", "chunked", "trailers", "sized gzip", "chunked gzip", "unframed gzip"],
)
def test_an_answer_cut_at_any_byte_is_never_a_short_success(answer: bytes, body: bytes) -> None:
    head = answer.index(b"\r\n\r\n") + 4
    hc = new_client()
    with peer(cut_everywhere(answer)) as server:
        for cut in range(len(answer) + 1):
            ok, result, reader = hc.request(url=server.url)
            if ok and reader is not None:
                partial, err = read_pieces(reader)
                if err is None:
                    result = partial
                else:
                    ok, result = None, Failure(err, partial=partial)
            elif ok:
                result = result.body
            if cut == len(answer):
                assert (ok, result) == (True, body)
                continue
            if answer is UNFRAMED_GZIP and cut == head:
                assert (ok, result) == (True, b"")  # no body at all: nothing tells that there was to be one
                continue
            assert ok is None, (cut, result)
            if cut < head:
                assert result == "closed", cut
                assert result.partial is None
            else:
                assert result in ("closed", "truncated gzip body"), (cut, result)
                assert result.partial is not None
                assert body.startswith(result.partial), cut
                if answer is SIZED:
                    assert result.partial == body[: cut - head]
    assert server.connections == len(answer) + 1
    assert idle_connections() == 0


def test_a_cut_body_leaves_its_head_and_what_did_come_with_the_error() -> None:
    with peer(answer_and_close(sized(b"hello, world")[:-7])) as server:
        err = error_of(server.url)
    assert (err, err.partial) == ("closed", b"hello")
    assert err.response is not None
    assert err.response.code == 200
    with pytest.raises(lasa.Error) as caught:
        lasa.check((None, err, err.partial))
    assert caught.value.partial == b"hello"


def test_a_broken_connection_says_so_and_leaves_what_did_come() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello")
        read.wait()
        wire.reset()

    read = Event()
    with peer(script) as server:
        _, response, _ = new_client().request(url=server.url, stream=True)
        pieces = response.pieces()
        assert next(pieces) == b"hello"
        read.set()
        with pytest.raises(lasa.Error, match="connection reset by peer"):
            next(pieces)


def test_a_cut_stream_says_so_at_each_further_call() -> None:
    with peer(answer_and_close(CHUNKED[:-3])) as server:
        _, response, reader = new_client().request(url=server.url)
        assert read_pieces(reader) == (b"hello, world", "closed")
        for _ in range(2):
            with pytest.raises(lasa.Error, match="closed"):
                list(response.pieces())
        assert response.body is None


def test_a_cut_body_says_so_at_each_further_read() -> None:
    with peer(answer_and_close(CHUNKED[:-3])) as server:
        _, response, _ = new_client().request(url=server.url)
        for _ in range(2):
            with pytest.raises(lasa.Error, match="closed"):
                response.read()
        assert response.body is None


def test_a_body_whose_pieces_have_been_taken_does_not_pass_for_a_whole() -> None:
    with peer(answering(CHUNKED)) as server:
        _, response, reader = new_client().request(url=server.url)
        assert reader().body is not None
        with pytest.raises(RuntimeError, match="streamed"):
            response.read()
        assert read_pieces(reader)[1] is None


@pytest.mark.parametrize("answer", [SIZED[:-1], CHUNKED[:-1], b"HTTP/1.1 200 OK\r\n\r\nhello, world"])
def test_tls_that_is_cut_without_a_goodbye_is_an_error(answer: bytes, certificates: Certificates) -> None:
    context = tls_context(certificates.issue("localhost"))
    with peer(answer_and_close(answer), tls=context) as server:
        url = f"https://localhost:{server.port}/"
        _, response, _ = new_client(ssl_ca=certificates.ca).request(url=url, stream=True)
        with pytest.raises(lasa.Error, match="closed") as caught:
            response.read()
        assert caught.value.partial in (b"hello, world", b"hello, worl")


def test_tls_that_ends_with_a_goodbye_ends_a_body_without_length(certificates: Certificates) -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\n\r\nhello, world")
        wire.sock.unwrap()

    with peer(script, tls=tls_context(certificates.issue("localhost"))) as server:
        response = get(f"https://localhost:{server.port}/", ssl_ca=certificates.ca)
        assert response.body == b"hello, world"


def test_the_client_says_goodbye_to_tls_before_it_closes(certificates: Certificates) -> None:
    def script(wire: Wire) -> None:
        wire.sock.suppress_ragged_eofs = False  # an end without a goodbye is an SSLError then
        wire.request()
        wire.send(answers[wire.index])
        try:
            ends.append(wire.sock.recv(1))
        except ssl.SSLError as error:
            ends.append(error)

    answers = (sized(b"ok"), sized(b"ok", b"Connection: close"))
    ends: list[Any] = []
    hc = new_client(ssl_ca=certificates.ca)
    with peer(script, tls=tls_context(certificates.issue("localhost"))) as server:
        for _ in answers:
            get(f"https://localhost:{server.port}/", hc=hc, keepalive=0)
            settle()
    assert ends == [b"", b""]


# Nonsense


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "bad status line"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "bad status line"),
        (b"-ERR unknown command\r\n", "bad status line"),
        (b"HTTQ", "bad status line"),
        (b"\x81\x05hello", "bad status line"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "bad first line"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "unexpected switch of protocols",
        ),
        (b"HTTP/2.0 200 OK\r\n\r\n", "HTTP version not supported"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "bad status line"),
        (b"HTTP/1.1 099 OK\r\n\r\n", "bad status line"),
        (b"HTTP/1.1  200 OK\r\n\r\n", "bad status line"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "bad header line"),
        (b"HTTP/1.1 200 OK\r\nName : space\r\n\r\n", "bad header line"),
        (b"HTTP/1.1 200 OK\r\n folded: 1\r\n\r\n", "bad header line"),
        (b"HTTP/1.1 200 OK\r\nA: 1\r2\r\n\r\n", "bad header line"),
        (b"HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n", "bad header line"),
        (b"HTTP/1.1 200 OK\r\n: empty\r\n\r\n", "bad header line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!", "ambiguous length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok!", "ambiguous length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "bad Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\n", "bad Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", "bad Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\nok", "bad Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nok", "bad Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "bad Content-Length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n", "ambiguous length"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "ambiguous length",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "transfer coding not supported"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", "transfer coding not supported"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip,gzip,gzip,gzip\r\n\r\nx", "too many content codings"),
    ],
)
def test_what_is_no_http_is_an_error_at_once(answer: bytes, word: str) -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(answer)
        wire.rest()

    with peer(script) as server:
        assert error_of(server.url) == word
        assert idle_connections() == 0


def test_one_length_said_twice_is_one_length() -> None:
    for answer in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
    ):
        with peer(answering(answer)) as server:
            assert get(server.url).body == b"ok"


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\nhello\r\n0\r\n\r\n",
        b"5 hello",
        b"-5\r\nhello\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"0x5\r\nhello",
        *(b"5;a=%c\r\nhello\r\n0\r\n\r\n" % byte for byte in b"\x00\x01\x1b\x7f"),
        *(b"5\r\nhello\r\n0\r\nX: %c\r\n\r\n" % byte for byte in b"\x00\x01\x1b\x7f"),
    ],
)
def test_bad_chunks_are_an_error_and_end_the_connection(body: bytes) -> None:
    with peer(answer_and_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)) as server:
        ok, _, reader = new_client().request(url=server.url)
        assert ok is True
        partial, err = read_pieces(reader)
        assert err is not None
        assert b"hello".startswith(partial)
        assert idle_connections() == 0


@pytest.mark.parametrize("line", [b"5;" + b"x" * 100_000, b"0" * 100_000 + b"5"])
def test_a_chunk_header_that_does_not_end_is_an_error(line: bytes) -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + line)
        wire.rest()

    with peer(script) as server:
        _, _, reader = new_client().request(url=server.url)
        partial, err = read_pieces(reader)
        assert (partial, err) == (b"", "chunk header too large")


def test_trailers_that_do_not_end_are_an_error() -> None:
    for trailers in (b"X: 1\r\n" * 200, b"X: " + b"x" * 100_000 + b"\r\n", b"bad trailer\r\n", b" A: 1\r\n"):
        with peer(answer_and_close(chunked(b"hello", trailers=trailers))) as server:
            _, _, reader = new_client().request(url=server.url)
            partial, err = read_pieces(reader)
            assert partial == b"hello"
            assert err is not None


# Floods


def endless(start: bytes, more: bytes) -> Script:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(start)
        while True:
            wire.send(more)

    return script


def test_a_head_that_does_not_end_is_an_error() -> None:
    with peer(endless(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"a" * 1000 + b"\r\n")) as server:
        assert error_of(server.url) == "head too large"
    with peer(endless(b"HTTP/1.1 200 ", b"a" * 1000)) as server:
        assert error_of(server.url) == "head too large"


def test_the_limit_of_heads_holds_however_they_are_cut() -> None:
    answer = sized(b"ok", b"X-Large: " + b"x" * 60_000)
    with peer(answering(answer)) as server:
        assert error_of(server.url, max_head=16_384) == "head too large"
        assert get(server.url).body == b"ok"
        assert get(server.url, max_head=len(answer) - 2).body == b"ok"
        assert error_of(server.url, max_head=len(answer) - 3) == "head too large"


def test_more_headers_than_allowed_are_an_error() -> None:
    with peer(answering(sized(b"ok", *[b"X-%d: 1" % number for number in range(200)]))) as server:
        assert error_of(server.url) == "too many headers"
        assert get(server.url, max_headers=201).body == b"ok"


def test_interim_answers_that_do_not_end_are_an_error() -> None:
    with peer(endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10)) as server:
        assert error_of(server.url) == "too many informational responses"


def framings(size: int) -> list[bytes]:
    data = b"x" * size
    return [sized(data), chunked(data[:500], data[500:]), b"HTTP/1.1 200 OK\r\n\r\n" + data]


def test_a_body_that_is_larger_than_allowed_is_an_error() -> None:
    for large, fitting in zip(framings(1001), framings(1000), strict=True):
        with peer(answer_and_close(large), answer_and_close(fitting)) as server:
            hc = new_client(max_body=1000)
            _, result, reader = hc.request(url=server.url)
            if reader is not None:
                result = read_pieces(reader)[1]
            assert result == "response body too large"
            assert idle_connections() == 0
            assert len(get(server.url, hc=hc).read()) == 1000


def test_a_length_beyond_the_limit_is_refused_before_the_body_is_read() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        wire.rest()

    with peer(script) as server:
        err = error_of(server.url)
        assert err == "response body too large"


def bombs() -> list[bytes]:
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    packed = b"".join(packer.compress(bytes(1_000_000)) for _ in range(300)) + packer.flush()
    return [sized(packed, b"Content-Encoding: gzip"), chunked(packed, fields=(b"Content-Encoding: gzip",))]


def test_a_bomb_ends_with_an_error_and_not_with_the_memory() -> None:
    for bomb in bombs():
        with peer(answering(bomb)) as server:
            ok, result, reader = new_client(max_body=1_000_000).request(url=server.url)
            if ok:
                partial, result = read_pieces(reader)
            else:
                partial = result.partial
            assert result == "inflated body too large"
            assert len(partial) == 1_000_000
            assert idle_connections() == 0


def test_a_few_bytes_do_not_become_a_body_of_any_size_unless_that_is_asked_for() -> None:
    packed = gzip.compress(bytes(20 * 1024 * 1024))
    with peer(answering(sized(packed, b"Content-Encoding: gzip"))) as server:
        err = error_of(server.url)
        assert err == "inflated body too large"
        assert len(err.partial or b"") == 16 * 1024 * 1024
        assert error_of(server.url, stream=False, max_ratio=900) == "inflated body too large"
        for options in ({"max_ratio": None}, {"max_ratio": 1100}, {"stream": True}):
            assert len(get(server.url, **options).read()) == 20 * 1024 * 1024


@pytest.mark.parametrize("size", [30_000_000, 31_000_000])
def test_a_body_takes_little_more_memory_than_its_size_whether_it_fits_or_not(size: int) -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed))
        wire.send(packed)

    packed = gzip.compress(bytes(size), 1)
    with peer(script) as server:
        hc = new_client(max_body=30_000_000, max_ratio=None)
        tracemalloc.start()
        try:
            ok, result, _ = hc.request(url=server.url)
            assert len(result.body if ok else result.partial) == 30_000_000
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 36_000_000


def test_bytes_behind_a_compressed_body_are_dropped() -> None:
    for answer in (
        sized(PACKED + b"garbage", b"Content-Encoding: gzip"),
        CHUNKED_GZIP.replace(b"0\r\n\r\n", b"2\r\n\r\n\r\n0\r\n\r\n"),
    ):
        with peer(answering(answer)) as server:
            assert get(server.url).read() == gzip.decompress(PACKED)
            assert idle_connections() == 1


def test_a_stream_that_inflates_can_be_left_half_way() -> None:
    with peer(answering(bombs()[0])) as server:
        _, response, _ = new_client().request(url=server.url, stream=True)
        with response:
            assert len(next(response.pieces())) <= 262_144
        assert idle_connections() == 0


@pytest.mark.parametrize(
    "body", [b"no gzip at all", PACKED[:-8] + b"\0" * 8, PACKED + b"\x1f\x8bgarbage", PACKED[:10] + b"\xff" * 20]
)
def test_bad_gzip_is_an_error(body: bytes) -> None:
    with peer(answering(sized(body, b"Content-Encoding: gzip"))) as server:
        assert error_of(server.url) == "bad gzip body"
        assert idle_connections() == 0


# What a connection leaves behind

POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"


@pytest.mark.parametrize(
    "answer",
    [
        OK + POISON,
        OK + b"\r\n",
        OK + b"x",
        chunked(b"ok") + POISON,
        b"HTTP/1.1 204 No Content\r\n\r\n" + POISON,
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\npoison",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison",
    ],
)
def test_bytes_left_over_never_answer_the_next_request(answer: bytes) -> None:
    with peer(answering(answer, POISON), answering(OK)) as server:
        assert get(server.url).read() in (b"ok", b"")
        assert idle_connections() == 0
        assert get(server.url).read() == b"ok"
        assert server.connections == 2


def test_the_body_of_an_answer_to_head_never_answers_the_next_request() -> None:
    with peer(answering(POISON, POISON), answering(OK)) as server:
        assert get(server.url, method="HEAD").body == b""
        assert get(server.url).body == b"ok"
        assert server.connections == 2


def test_what_arrives_on_an_idle_connection_never_answers_the_next_request() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(OK)
        answered.wait()
        wire.send(POISON)
        sent.set()
        wire.rest()

    for seen_by_hub in (True, False):
        answered, sent = Event(), Event()
        with peer(script, answering(OK)) as server:
            assert get(server.url).body == b"ok"
            answered.set()
            sent.wait()
            if seen_by_hub:
                settle()
            assert get(server.url).body == b"ok"
            assert server.connections == 2


def test_an_answer_that_came_before_its_request_was_sent_is_not_its_answer() -> None:
    # The bytes come while the request's connection is being taken out of the pool: in one and the same segment as the
    # answer before, or just behind it, they are the old answer's and not the new one's.
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(OK)
        wire.send(POISON)
        wire.rest()

    with peer(script, answering(OK)) as server:
        hc = new_client()
        assert get(server.url, hc=hc).body == b"ok"
        assert get(server.url, hc=hc, body=b"not idempotent").body == b"ok"
        assert server.connections == 2


# Connections that die in the pool


def dying(cut: Callable[[Wire], Any]) -> Script:
    """A script: answer one request, and break the connection in some way once the second has come."""

    def script(wire: Wire) -> None:
        wire.request()
        wire.send(OK)
        cut(wire)

    return script


CUTS: dict[str, Callable[[Wire], Any]] = {
    "with its first byte": lambda wire: wire.exactly(1),
    "with its head": lambda wire: wire.head(),
    "reset at its first byte": lambda wire: (wire.exactly(1), wire.reset()),
    "reset at its head": lambda wire: (wire.head(), wire.reset()),
}


@pytest.mark.parametrize("name", CUTS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_an_idempotent_request_is_sent_once_more_when_its_pooled_connection_dies(name: str, method: str) -> None:
    with peer(dying(CUTS[name]), answering(OK)) as server:
        get(server.url)
        body = b"data" if method == "PUT" else None
        assert get(server.url, method=method, body=body).code == 200
        assert server.connections == 2


@pytest.mark.parametrize("name", CUTS)
@pytest.mark.parametrize("method", ["POST", "PATCH", "LOCK"])
def test_a_request_that_is_not_idempotent_is_never_sent_again(name: str, method: str) -> None:
    with peer(dying(CUTS[name]), answering(OK)) as server:
        get(server.url)
        assert error_of(server.url, method=method, body=b"data") in ("closed", "connection reset by peer")
        assert server.connections == 1


def test_a_request_is_sent_once_more_and_not_twice() -> None:
    with peer(dying(lambda wire: wire.head()), lambda wire: wire.head()) as server:
        get(server.url)
        assert error_of(server.url) == "closed"
        assert server.connections == 2


def test_a_request_on_a_fresh_connection_is_not_sent_again() -> None:
    with peer(lambda wire: wire.head()) as server:
        assert error_of(server.url) == "closed"
        assert server.connections == 1


def test_a_request_that_was_answered_in_part_is_not_sent_again() -> None:
    with peer(dying(lambda wire: (wire.head(), wire.send(b"H"))), answering(OK)) as server:
        get(server.url)
        assert error_of(server.url) == "closed"
        assert server.connections == 1


def test_a_request_that_timed_out_on_a_pooled_connection_is_not_sent_again() -> None:
    with peer(dying(lambda wire: wire.rest()), answering(OK)) as server:
        get(server.url)
        assert error_of(server.url, read=0.02) == "timeout"
        assert server.connections == 1


def test_a_streamed_body_that_is_used_up_is_not_sent_again() -> None:
    with peer(dying(lambda wire: wire.head()), answering(OK)) as server:
        get(server.url)
        assert error_of(server.url, method="PUT", body=iter([b"data"])) in ("closed", "connection reset by peer")
        assert server.connections == 1


def test_a_file_is_sent_once_more_from_its_start() -> None:
    with peer(dying(lambda wire: wire.head()), answering(OK)) as server:
        get(server.url)
        assert get(server.url, method="PUT", body=io.BytesIO(b"data")).code == 200
        assert server.connections == 2


def test_many_dead_connections_cost_one_request_one_repetition() -> None:
    scripts = [dying(lambda wire: wire.head())] * 5
    with peer(*scripts, answering(OK)) as server:
        hc = new_client()
        for one in [thread.spawn(lambda: hc.request(url=server.url)) for _ in range(5)]:
            assert result_of(one)[0] is True
        assert idle_connections() == 5
        assert get(server.url, hc=hc).body == b"ok"
        assert server.connections == 6
        assert idle_connections() == 1


# Uploads


@pytest.mark.parametrize("body", [b"x" * 50_000_000, [b"x" * 1_000_000] * 50], ids=["bytes", "pieces"])
def test_a_server_that_never_reads_ends_in_a_timeout(body: Any) -> None:
    with peer(asleep) as server:
        assert error_of(server.url, body=body, send=0.05) == "timeout"
        assert error_of(server.url, body=body, timeout=0.05) == "timeout"
        assert idle_connections() == 0


def test_a_server_that_breaks_an_upload_is_reported() -> None:
    def script(wire: Wire) -> None:
        wire.exactly(100_000)
        wire.reset()

    with peer(script) as server:
        for body in (b"x" * 20_000_000, iter([b"x" * 100_000] * 200)):
            err = error_of(server.url, body=body)
            assert err in ("connection reset by peer", "broken pipe", "closed")
            assert err.stage == "send"


# Drips


def drip(answer: bytes, start: int, pause_s: float = 0.005) -> Script:
    """A script: the first bytes of an answer at once, then one after another, and never the last."""

    def script(wire: Wire) -> None:
        wire.request()
        wire.send(answer[:start])
        for at in range(start, len(answer) - 1):
            gevent.sleep(pause_s)
            wire.send(answer[at : at + 1])
        wire.rest()

    return script


@pytest.mark.parametrize("start", [0, len(SIZED) - 12])
def test_a_slow_drip_does_not_outlast_the_whole_timeout(start: int) -> None:
    with peer(drip(SIZED, start)) as server:
        err = error_of(server.url, timeout=0.03)
        assert err == "timeout"
        assert (err.partial is None) == (start == 0)


def test_a_drip_that_is_fast_enough_for_each_wait_is_no_timeout() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        for byte in SIZED:
            gevent.sleep(0.004)
            wire.send(bytes((byte,)))

    with peer(script) as server:
        assert get(server.url, read=0.15).body == b"hello, world"
    with peer(script) as server:
        assert get(server.url, read=0.15, timeout=10).body == b"hello, world"


def test_a_body_that_stops_is_a_timeout_with_what_did_come() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(SIZED[:-7])
        wire.rest()

    with peer(script) as server:
        for name in ("read", "timeout"):
            err = error_of(server.url, hc=new_client(**{name: 0.02}))
            assert (err, err.partial) == ("timeout", b"hello")
        assert idle_connections() == 0


# Killed and interrupted


def spill(wire: Wire) -> None:
    """Half an answer."""
    wire.request()
    wire.send(SIZED[:-7])
    wire.rest()


def no_handshake(wire: Wire) -> None:
    wire.rest()


SCENES: dict[str, tuple[Script, dict[str, Any]]] = {
    "head": (silent, {}),
    "body": (spill, {}),
    "head with a deadline": (silent, {"timeout": 5}),
    "body with a deadline": (spill, {"timeout": 5}),
    "send": (asleep, {"body": b"x" * 20_000_000}),
    "send pieces": (asleep, {"body": [b"x" * 1_000_000] * 20}),
    "continue": (silent, {"body": io.BytesIO(b"x"), "expect": True}),
    "handshake": (no_handshake, {"scheme": "https"}),
    "tunnel": (silent, {"scheme": "https", "is_proxy": True}),
    "retry": (answering(sized(b"", status=b"503 No")), {"retries": {"attempts": 2, "backoff_s": 5, "jitter": 0}}),
}


def call_of(url: str, options: dict[str, Any]) -> Callable[[], Any]:
    options = dict(options)
    if options.pop("is_proxy", False):
        options["proxy"] = url
        url = "https://some.example/"
    if options.pop("scheme", None):
        url = url.replace("http:", "https:")
    hc = new_client(pool_size=1)
    return lambda: hc.request(url=url, **options)


@pytest.mark.parametrize("name", SCENES)
def test_a_kill_leaves_nothing_open(name: str) -> None:
    script, options = SCENES[name]
    with peer(script) as server:
        waiting = spawn_blocked(call_of(server.url, options))
        assert thread.kill(waiting) == (1, None)
        settle()
        assert in_use() == {}
        assert idle_connections() == (1 if name == "retry" else 0)


@pytest.mark.parametrize("name", SCENES)
def test_a_gevent_kill_leaves_nothing_open(name: str) -> None:
    script, options = SCENES[name]
    with peer(script) as server:
        waiting = spawn_blocked(call_of(server.url, options))
        assert waiting.greenlet is not None
        gevent.kill(waiting.greenlet)
        assert isinstance(failure_of(waiting), gevent.GreenletExit)
        assert in_use() == {}


@pytest.mark.parametrize("name", SCENES)
def test_a_gevent_timeout_leaves_nothing_open(name: str) -> None:
    script, options = SCENES[name]
    with peer(script) as server:
        call = call_of(server.url, options)

        def limited() -> None:
            with gevent.Timeout(0.02):
                call()

        assert isinstance(failure_of(thread.spawn(limited)), gevent.Timeout)
        assert in_use() == {}


def test_a_kill_while_connecting_or_waiting_for_a_place_leaves_nothing_open() -> None:
    hc = new_client(pool_size=1)
    with silent_listener() as (ip, port):
        connecting = spawn_blocked(lambda: hc.request(url=f"http://{ip}:{port}/"))
        queueing = spawn_blocked(lambda: hc.request(url=f"http://{ip}:{port}/"))
        assert sum(in_use().values()) == 1
        assert thread.kill(queueing) == (1, None)
        assert thread.kill(connecting) == (1, None)
        settle()
        assert in_use() == {}


def test_a_kill_while_reading_a_stream_closes_it_for_everyone() -> None:
    with peer(spill) as server:
        _, response, reader = new_client().request(url=server.url, stream=True)
        assert reader().body == b"hello"
        waiting = spawn_blocked(reader)
        assert thread.kill(waiting) == (1, None)
        settle()
        assert in_use() == {}
        with pytest.raises(lasa.Error, match="closed"):
            list(response.pieces())


def test_a_gevent_timeout_while_reading_a_stream_loses_no_byte() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(SIZED[:-7])
        go_on.wait()
        wire.send(SIZED[-7:])
        wire.rest()

    go_on = Event()
    with peer(script) as server:
        _, _, reader = new_client().request(url=server.url, stream=True)
        pieces = [reader().body]
        with gevent.Timeout(0.01) as interruption, pytest.raises(gevent.Timeout) as caught:
            reader()
        assert caught.value is interruption
        go_on.set()
        pieces += [piece.body for piece in iter(reader, None)]
        assert b"".join(pieces) == b"hello, world"
        assert idle_connections() == 1


def test_two_readers_of_one_stream_are_not_confused() -> None:
    with peer(spill) as server:
        _, response, reader = new_client().request(url=server.url, stream=True)
        assert reader().body == b"hello"
        first = spawn_blocked(reader)
        piece = reader()
        assert piece is not None
        assert piece.body is None
        assert piece.err is not None
        assert thread.kill(first) in ((1, None), (None, "already terminated"))
        response.close()


def test_a_place_that_a_killed_request_gives_back_goes_to_who_waits() -> None:
    with peer(silent, answering(OK)) as server:
        hc = new_client(pool_size=1)
        first = spawn_blocked(lambda: hc.request(url=server.url))
        second = thread.spawn(lambda: hc.request(url=server.url))
        settle()
        assert server.connections == 1
        assert thread.kill(first) == (1, None)
        ok, response, _ = result_of(second)
        assert ok is True
        assert response.body == b"ok"


def test_random_bytes_are_an_answer_to_nothing() -> None:
    for _ in range(20):
        with peer(answer_and_close(os.urandom(200))) as server:
            assert isinstance(error_of(server.url), str)
