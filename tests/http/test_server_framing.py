"""Requests that two readers could understand differently: refused, the connection closed, nothing behind them read."""

from __future__ import annotations

from typing import Any

import pytest

from lasa.http.server import Request
from tests.http.tools import answers, connect, read_answer, serving, talk

BEHIND = b"GET /behind HTTP/1.1\r\nHost: h\r\n\r\n"

HOST = b"Host: h\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

REFUSED_HEADS: dict[str, tuple[bytes, int]] = {
    # which length?
    "both lengths": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "both lengths, the other way round": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400),
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    "the same length twice": (POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    "a list of lengths": (POST + b"Content-Length: 5, 5\r\n\r\nhello", 400),
    "a list of different lengths": (POST + b"Content-Length: 5, 6\r\n\r\nhello", 400),
    "a length with plus": (POST + b"Content-Length: +5\r\n\r\nhello", 400),
    "a negative length": (POST + b"Content-Length: -5\r\n\r\nhello", 400),
    "a length in hex": (POST + b"Content-Length: 0x5\r\n\r\nhello", 400),
    "a length with underscore": (POST + b"Content-Length: 1_0\r\n\r\nhello", 400),
    "a length with a blank inside": (POST + b"Content-Length: 1 0\r\n\r\nhello", 400),
    "an empty length": (POST + b"Content-Length:\r\n\r\nhello", 400),
    "a length in other digits": (POST + b"Content-Length: \xd9\xa5\r\n\r\nhello", 400),
    "a length without end": (POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n", 400),
    # which coding?
    "chunked twice in a field": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 501),
    "chunked in two fields": (POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", 400),
    "an unknown coding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "chunked is not the last": (POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 501),
    "gzip and chunked": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "identity": (POST + b"Transfer-Encoding: identity\r\n\r\n", 501),
    "an empty coding": (POST + b"Transfer-Encoding:\r\n\r\n", 501),
    "chunked in quotes": (POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', 501),
    "chunked with a vertical tab": (POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    "chunks from HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    # where does a line end?
    "a folded line": (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", 400),
    "a folded line by tab": (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\r\n\r\n", 400),
    "the first line is folded": (b"GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400),
    "a bare CR in a value": (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\rY: b\r\n\r\n", 400),
    "a bare LF between fields": (b"GET / HTTP/1.1\r\nHost: h\nX: a\r\n\r\n", 400),
    "a bare LF after the request line": (b"GET / HTTP/1.1\nHost: h\r\n\r\n", 400),
    "only bare LFs": (b"GET / HTTP/1.1\nHost: h\n\n", 400),
    "a bare CR after the request line": (b"GET / HTTP/1.1\rHost: h\r\n\r\n", 400),
    "NUL in a value": (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n", 400),
    "a control character in a value": (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x01b\r\n\r\n", 400),
    "DEL in a value": (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x7fb\r\n\r\n", 400),
    # what is a field?
    "a space before the colon": (POST + b"Content-Length : 5\r\n\r\nhello", 400),
    "a tab before the colon": (POST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400),
    "no name": (b"GET / HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n", 400),
    "no colon": (b"GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n", 400),
    "NUL in a name": (b"GET / HTTP/1.1\r\nHost: h\r\nX\0: a\r\n\r\n", 400),
    "a name in Latin-1": (b"GET / HTTP/1.1\r\nHost: h\r\nX\xe9: a\r\n\r\n", 400),
    "a name with a bracket": (b"GET / HTTP/1.1\r\nHost: h\r\nX[]: a\r\n\r\n", 400),
    # who is meant?
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (b"GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", 400),
    "the same Host twice": (b"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400),
    "two Hosts from HTTP/1.0": (b"GET / HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n", 400),
    "a Host with a path": (b"GET / HTTP/1.1\r\nHost: h/x\r\n\r\n", 400),
    "a Host with a user": (b"GET / HTTP/1.1\r\nHost: a@h\r\n\r\n", 400),
    "a Host with a blank": (b"GET / HTTP/1.1\r\nHost: a h\r\n\r\n", 400),
    "a list of Hosts": (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    "a Host with a bad port": (b"GET / HTTP/1.1\r\nHost: h:8a\r\n\r\n", 400),
    "a Host with an open bracket": (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
    # what is asked?
    "HTTP/2": (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
    "HTTP/2 by prior knowledge": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505),
    "HTTP/0.9": (b"GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505),
    "no version": (b"GET /\r\nHost: h\r\n\r\n", 400),
    "a long version": (b"GET / HTTP/1.10\r\nHost: h\r\n\r\n", 400),
    "http in lower case": (b"GET / http/1.1\r\nHost: h\r\n\r\n", 400),
    "two spaces": (b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a space behind the version": (b"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400),
    "a space before the method": (b" GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a tab for a space": (b"GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a space in the target": (b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "NUL in the target": (b"GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "bytes in the target": (b"GET /\xe9 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "no target": (b"GET HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a relative target": (b"GET x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "an asterisk for GET": (b"GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "an absolute target without a host": (b"GET http:///x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "an absolute target with a user": (b"GET http://a@h/x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "CONNECT to a path": (b"CONNECT /x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "CONNECT without a port": (b"CONNECT h HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a bad method": (b"G@T / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "empty lines without end": (b"\r\n" * 9 + b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "TLS to a plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)), 400),
    "any bytes": (bytes(range(256)) + b"\r\n\r\n", 400),
    "an answer": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 400),
}

REFUSED_BODIES: dict[str, bytes] = {
    "a size that is none": b"xyz\r\nhello\r\n0\r\n\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "a size with plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "a size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a size with underscore": b"1_0\r\nhello\r\n0\r\n\r\n",
    "a space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "a size without end": b"0" * 30 + b"5\r\nhello\r\n0\r\n\r\n",
    "a size beyond all": b"F" * 21 + b"\r\nhello",
    "a bare LF behind the size": b"5\nhello\r\n0\r\n\r\n",
    "a bare CR behind the size": b"5\rhello\r\n0\r\n\r\n",
    "a bare CR in an extension": b"5;a=\rb\r\nhello\r\n0\r\n\r\n",
    "a bare LF in an extension": b"5;a=\nb\r\nhello\r\n0\r\n\r\n",
    "an extension that is too long": b"5;a=" + b"x" * 70_000 + b"\r\nhello\r\n0\r\n\r\n",
    "no line end behind the data": b"5\r\nhello0\r\n\r\n",
    "only LF behind the data": b"5\r\nhello\n0\r\n\r\n",
    "more data than the size": b"5\r\nhello!\r\n0\r\n\r\n",
    "a bad trailer": b"5\r\nhello\r\n0\r\nno colon\r\n\r\n",
    "a folded trailer": b"5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n",
    "a bare LF in the trailers": b"5\r\nhello\r\n0\r\nX: a\nY: b\r\n\r\n",
    "a space before the colon of a trailer": b"5\r\nhello\r\n0\r\nX : a\r\n\r\n",
} | {
    f"byte {byte:02x} in {place}": form % byte
    for byte in (0x00, 0x01, 0x08, 0x0B, 0x0C, 0x1B, 0x1F, 0x7F)
    for place, form in {
        "an extension": b"5;a=%c\r\nhello\r\n0\r\n\r\n",
        "a quoted extension": b'5;a="\\%c"\r\nhello\r\n0\r\n\r\n',
        "the extension of the last chunk": b"5\r\nhello\r\n0;%c\r\n\r\n",
        "a trailer": b"5\r\nhello\r\n0\r\nX: a%cb\r\n\r\n",
    }.items()
}

GOOD_HEADS: dict[str, bytes] = {
    "plain": b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "an empty Host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "a Host with a port": b"GET / HTTP/1.1\r\nHost: h:80\r\n\r\n",
    "a Host by number": b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    "blanks around a value": b"GET / HTTP/1.1\r\nHost: \t h \t \r\n\r\n",
    "no blank behind a colon": b"GET / HTTP/1.1\r\nHost:h\r\n\r\n",
    "an empty value": b"GET / HTTP/1.1\r\nHost: h\r\nX:\r\n\r\n",
    "bytes in a value": b"GET / HTTP/1.1\r\nHost: h\r\nX: \xe9\xff\r\n\r\n",
    "lower and upper case": b"GET / HTTP/1.1\r\nhOsT: h\r\n\r\n",
    "empty lines before": b"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "an absolute target": b"GET http://h/x HTTP/1.1\r\nHost: h\r\n\r\n",
    "an absolute target without a path": b"GET http://h HTTP/1.1\r\nHost: h\r\n\r\n",
    "an asterisk for OPTIONS": b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    "leading zeros in a length": POST + b"Content-Length: 005\r\n\r\nhello",
    "chunked in capitals": POST + b"Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
    "leading zeros in a size": CHUNKED + b"005\r\nhello\r\n0\r\n\r\n",
    "a chunk extension": CHUNKED + b'5;a="b"\r\nhello\r\n0;c\r\n\r\n',
    "blanks and bytes around an extension": CHUNKED + b'5 \t; a = "\xe9\t" \r\nhello\r\n0 ;c\r\nX: \xe9\tb\r\n\r\n',
    "a method of one's own": b"BREW-COFFEE / HTTP/1.1\r\nHost: h\r\n\r\n",
}


class Seen:
    """A handler that notes what it is asked, and reads bodies."""

    def __init__(self) -> None:
        self.targets: list[str] = []

    def __call__(self, request: Request) -> Any:
        self.targets.append(request.target)
        return 200, request.read()


@pytest.mark.parametrize("name", REFUSED_HEADS)
def test_what_could_be_understood_in_two_ways_is_refused_and_nothing_behind_it_is_read(name: str) -> None:
    head, status = REFUSED_HEADS[name]
    seen = Seen()
    with serving(seen) as server:
        [answer] = answers(talk(server, head + BEHIND))
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert answer.is_whole
    assert seen.targets == []


@pytest.mark.parametrize("name", REFUSED_HEADS)
def test_a_refused_head_is_refused_too_when_it_comes_byte_by_byte(name: str) -> None:
    head, status = REFUSED_HEADS[name]
    seen = Seen()
    with serving(seen) as server, connect(server) as sock:
        for position in range(len(head)):
            if not sock.send(head[position : position + 1])[0]:
                break
        sock.send(BEHIND)
        [answer] = answers(sock.receive("*a")[0] or b"")
    assert answer.status == status
    assert seen.targets == []


@pytest.mark.parametrize("name", REFUSED_BODIES)
def test_bad_chunks_are_refused_and_nothing_behind_them_is_read(name: str) -> None:
    seen = Seen()
    with serving(seen) as server:
        [answer] = answers(talk(server, CHUNKED + REFUSED_BODIES[name] + BEHIND), "POST")
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert seen.targets == ["/"]


@pytest.mark.parametrize("name", REFUSED_BODIES)
def test_bad_chunks_that_nobody_reads_end_the_connection(name: str) -> None:
    targets = []

    def handler(request: Request) -> Any:
        targets.append(request.target)
        return "unread"

    with serving(handler) as server:
        [answer] = answers(talk(server, CHUNKED + REFUSED_BODIES[name] + BEHIND), "POST")
    assert answer.body == b"unread"
    assert targets == ["/"]


@pytest.mark.parametrize("name", GOOD_HEADS)
def test_what_is_unusual_but_clear_is_answered_and_so_is_what_follows(name: str) -> None:
    seen = Seen()
    with serving(seen) as server:
        method = GOOD_HEADS[name].strip().split()[0].decode()
        last = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        found = answers(talk(server, GOOD_HEADS[name] + last), method, "GET")
    assert [answer.status for answer in found] == [200, 200]
    assert seen.targets[1:] == ["/last"]


def test_trailers_cannot_say_what_the_head_has_to_say() -> None:
    kept: list[Any] = []

    def handler(request: Request) -> Any:
        request.read()
        kept.append((dict(request.headers), dict(request.trailers)))
        return "ok"

    body = b"5\r\nhello\r\n0\r\nHost: evil\r\nX-Sum: 1\r\n\r\n"
    with serving(handler) as server:
        talk(server, POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    headers, trailers = kept[0]
    assert headers == {"Host": "h", "Connection": "close", "Transfer-Encoding": "chunked"}
    assert trailers == {"Host": "evil", "X-Sum": "1"}


@pytest.mark.parametrize("begin", [b"5\n", b"5;x\n", b"5\r\nhello\r\n0\n"])
def test_a_bare_lf_behind_a_size_is_refused_before_more_comes(begin: bytes) -> None:
    with serving(Seen()) as server, connect(server) as sock:
        sock.send(CHUNKED + begin)
        answer, _ = read_answer(sock)
    assert answer.status == 400
