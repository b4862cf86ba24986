"""What RFC 9110 and 9112 ask of whoever receives an answer, case by case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.http.client_tools import (
    Wire,
    answering,
    chunked,
    clean,
    close_idle,
    error_of,
    get,
    idle_connections,
    peer,
    sized,
)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    with clean():
        yield


@dataclass(frozen=True)
class Case:
    """An answer, and what a caller gets of it.

    Attributes:
        ends: the server closes behind it.
        left_over: what it sends behind the answer.
    """

    name: str
    answer: bytes
    body: bytes = b""
    code: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    trailers: tuple[tuple[str, str], ...] = ()
    is_kept: bool = True
    ends: bool = False
    left_over: bytes = b""
    method: str = "GET"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED_304 = CHUNKED.replace(b"200", b"304")
LENGTH_2 = ("Content-Length", "2")

CASES = [
    # RFC 9112, 2.2 and 5.2: ends of lines, and folded ones
    Case("lf ends lines", b"HTTP/1.1 200 OK\nA: 1\nContent-Length: 2\n\nok", b"ok", headers=(("a", "1"),)),
    Case("lf ends some lines", b"HTTP/1.1 200 OK\r\nA: 1\nContent-Length: 2\r\n\nok", b"ok", headers=(("a", "1"),)),
    Case("lf before crlf", b"HTTP/1.1 200 OK\nContent-Length: 6\n\r\na\r\n\r\nb", b"a\r\n\r\nb"),
    Case("a body with blank lines", b"HTTP/1.1 200 OK\nContent-Length: 6\n\n\r\n\r\nok", b"\r\n\r\nok"),
    Case("lf and no reason", b"HTTP/1.1 200\nContent-Length: 2\n\nok", b"ok"),
    Case("folded", sized(b"ok", b"A: 1\r\n 2\r\n\t3"), b"ok", headers=(("a", "1 2 3"),)),
    Case("folded length", b"HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nok", b"ok"),
    Case("folded to nothing", sized(b"ok", b"A: 1\r\n \t"), b"ok", headers=(("a", "1"),)),
    Case("interim with lf", b"HTTP/1.1 103 X\nA: 1\n\n" + sized(b"ok"), b"ok"),
    Case("lf in trailers", CHUNKED + b"2\r\nok\r\n0\r\nT: 1\n\n", b"ok", trailers=(("T", "1"),)),
    Case("lf and no trailers", CHUNKED + b"2\r\nok\r\n0\r\n\n", b"ok"),
    Case("folded trailers", chunked(b"ok", trailers=b"T: 1\r\n 2\r\n"), b"ok", trailers=(("T", "1 2"),)),
    # RFC 9110, 2.5, 6.2; RFC 9112, 2.3 and 4: versions, reasons, codes
    Case("a later version", sized(b"ok").replace(b"1.1", b"1.2"), b"ok"),
    Case("a later version closes", sized(b"ok", b"Connection: close").replace(b"1.1", b"1.5"), b"ok", is_kept=False),
    Case("a later version in chunks", chunked(b"ok").replace(b"1.1", b"1.9"), b"ok"),
    Case("an older version", sized(b"ok").replace(b"1.1", b"1.0"), b"ok", is_kept=False),
    Case("no reason", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    Case("an empty reason", b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", b"ok"),
    Case("a reason in bytes", sized(b"ok", status=b"200 \xc3\xa9t\xe9\t!"), b"ok"),
    Case("an unknown code of a class", sized(b"ok", status=b"299 X"), b"ok", code=299),
    Case("a code of no class", sized(b"ok", status=b"999 X"), b"ok", code=999),
    # RFC 9110, 5: names, blanks, lists
    Case("names in any case", b"HTTP/1.1 200 OK\r\ncONTENT-lENGTH:2\r\n\r\nok", b"ok"),
    Case("blanks around a value", sized(b"ok", b"A: \t 1 2 \t "), b"ok", headers=(("a", "1 2"),)),
    Case("an empty value", sized(b"ok", b"A:"), b"ok", headers=(("a", ""),)),
    Case("bytes beyond ascii", sized(b"ok", b"A: \xe9"), b"ok", headers=(("a", "\xe9"),)),
    Case("repeated fields in order", sized(b"ok", b"A: 1", b"a: 2"), b"ok", headers=(("a", "1"), ("a", "2"))),
    Case("connection as a list", sized(b"ok", b"Connection: , x ,CLOSE,"), b"ok", is_kept=False),
    Case("connection in two fields", sized(b"ok", b"Connection: x", b"connection: Close"), b"ok", is_kept=False),
    Case("connection says keep-alive", sized(b"ok", b"Connection: Keep-Alive, x"), b"ok"),
    Case("codings in a list", sized(b"ok", b"Content-Encoding: , identity,"), b"ok"),
    # RFC 9112, 6: framing
    Case("a length in a list", b"HTTP/1.1 200 OK\r\nContent-Length: 2, ,2\r\n\r\nok", b"ok", headers=(LENGTH_2,)),
    Case("a length with zeros", b"HTTP/1.1 200 OK\r\nContent-Length: 0002\r\n\r\nok", b"ok"),
    Case("chunked in any case", chunked(b"ok").replace(b"chunked", b"cHUNKED"), b"ok"),
    Case("chunked in a list", chunked(b"ok").replace(b"chunked", b", chunked ,"), b"ok"),
    Case("chunked by an old server", chunked(b"ok").replace(b"1.1", b"1.0"), b"ok", is_kept=False),
    Case("no length at all", b"HTTP/1.1 200 OK\r\n\r\nok", b"ok", is_kept=False, ends=True),
    Case("no body: 204", sized(b"", status=b"204 X").replace(b": 0", b": 5"), code=204),
    Case("no body: 304", sized(b"", status=b"304 X").replace(b": 0", b": 5, 6"), code=304),
    Case("no body: 204 in chunks", CHUNKED.replace(b"200", b"204"), code=204),
    Case("a length and chunks for no body", CHUNKED_304[:-2] + b"Content-Length: 3\r\n\r\n", code=304),
    Case("no body: HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", method="HEAD"),
    Case("no body: HEAD in chunks", CHUNKED, method="HEAD"),
    Case("no body: HEAD and other codings", CHUNKED.replace(b"chunked", b"gzip"), method="HEAD"),
    Case("205 as it is framed", sized(b"ok", status=b"205 X"), b"ok", code=205),
    # RFC 9112, 7: chunks
    Case("chunks with extensions", CHUNKED + b'1;a\r\no\r\n1;b=1;c="d"\r\nk\r\n0;e\r\n\r\n', b"ok"),
    Case("blanks before an extension", CHUNKED + b'2 ; a = b\r\nok\r\n0\t;e\r\n\r\n', b"ok"),
    Case("sizes in any case", CHUNKED + b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
    Case("sizes with zeros", CHUNKED + b"00000002\r\nok\r\n000\r\n\r\n", b"ok"),
    Case("trailers are no headers", chunked(b"ok", trailers=b"Content-Length: 2\r\n"), b"ok", trailers=(LENGTH_2,)),
    # RFC 9110, 15.2: interim answers
    Case("interim answers", b"HTTP/1.1 100 X\r\n\r\nHTTP/1.1 199 X\r\nA: 1\r\n\r\n" + sized(b"ok"), b"ok"),
    Case("interim with a length", b"HTTP/1.1 102 X\r\nContent-Length: 5\r\n\r\n" + sized(b"ok"), b"ok"),
    Case("interim with chunks", CHUNKED.replace(b"200", b"103") + sized(b"ok"), b"ok"),
    # RFC 9112, 9.3: when a connection stays
    Case("a connection is kept", sized(b"ok"), b"ok"),
    Case("bytes left over", sized(b"ok"), b"ok", is_kept=False, left_over=b"\r\n"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_an_answer_is_read_as_the_rfc_says_however_it_is_cut(case: Case) -> None:
    def script(wire: Wire) -> None:
        while wire.request()[0]:
            if wire.index == 0 or case.left_over:
                wire.send(case.answer + case.left_over)
            else:
                for at in range(len(case.answer)):
                    wire.send(case.answer[at : at + 1])
            if case.ends:
                return

    with peer(script) as server:
        for _ in range(2):
            response: Any = get(server.url, method=case.method)
            assert response.read() == case.body
            assert response.code == case.code
            for name in {name for name, _ in case.headers}:
                assert response.headers.getall(name) == [value for key, value in case.headers if key == name]
            assert [*response.trailers.items()] == [*case.trailers]
            assert idle_connections() == case.is_kept
            close_idle()


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        # RFC 9112, 2.2: no header line before the first, no CR alone
        (b"HTTP/1.1 200 OK\r\n A: 1\r\n\r\n", "bad header line"),
        (b"HTTP/1.1 200 OK\n\tA: 1\n\n", "bad status line"),
        (b"HTTP/1.1 200 OK\rA: 1\r\n\r\n", "bad status line"),
        (b"HTTP/1.1 200 OK\r\nA: 1\r B: 2\r\n\r\n", "bad header line"),
        # RFC 9112, 2.3: the name is case-sensitive, and the version is one we know
        (b"http/1.1 200 OK\r\n\r\n", "bad status line"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "HTTP version not supported"),
        (b"HTTP/0.9 200 OK\r\n\r\n", "HTTP version not supported"),
        # RFC 9110, 5.5: no NUL
        (b"HTTP/1.1 200 OK\r\nA: 1\x002\r\n\r\n", "bad header line"),
        # RFC 9112, 6.3: lengths that are none, or differ
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok!", "ambiguous length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: ,\r\n\r\nok!", "bad Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok", "bad Content-Length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", "transfer coding not supported"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \r\n\r\n", "transfer coding not supported"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "ambiguous length"),
        # RFC 9110, 7.8: nobody has asked for a switch
        (b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", "unexpected switch of protocols"),
        (b"HTTP/1.0 101 X\r\n\r\n", "unexpected switch of protocols"),
    ],
)
def test_an_answer_that_the_rfc_calls_invalid_is_an_error_and_ends_the_connection(answer: bytes, word: str) -> None:
    with peer(answering(answer)) as server:
        assert error_of(server.url) == word
        assert idle_connections() == 0


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"2\nok\n0\n\n", "bare LF in chunk header"),  # no line of a head: there LF alone would hide a size
        (b"2\r\nok\n0\r\n\r\n", "malformed chunk footer"),
        (b"2\r\nok\r\n0\r\n T: 1\r\n\r\n", "bad trailer"),
        (b"2\r\nok\r\n0\r\nT: 1\r2\r\n\r\n", "bad trailer"),
        (b"g\r\nok\r\n0\r\n\r\n", "illegal chunk header"),
        (b"2\r\nok\r\n0\r\nT\r\n\r\n", "illegal header line"),
    ],
)
def test_chunks_that_the_rfc_calls_invalid_are_an_error_and_end_the_connection(body: bytes, word: str) -> None:
    with peer(answering(CHUNKED + body)) as server:
        response: Any = get(server.url)
        with pytest.raises(Exception, match=word):
            response.read()
        assert idle_connections() == 0
