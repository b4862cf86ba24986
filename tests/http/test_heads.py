"""Heads as they are parsed, with no connection around them; what a server refuses is in test_server_framing.py."""

from __future__ import annotations

import time
from random import Random

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa.http._wire.errors import ProtocolError
from lasa.http._wire.heads import request_of, response_of

TOKEN = st.text("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1)
VALUE = st.binary(max_size=30).map(lambda data: bytes(byte for byte in data if byte >= 0x20 and byte != 0x7F).strip())
FIELDS = st.lists(
    st.tuples(TOKEN.map(lambda name: b"X" + name.encode()), VALUE, st.sampled_from([b"", b" ", b"\t ", b"    "]))
)
FRAMING = [b"content-length", b"transfer-encoding", b"host"]


def parse(head: bytes, max_line: int = 8192, max_headers: int = 100) -> h11.Request:
    return request_of(head, max_line=max_line, max_headers=max_headers)


def head_of(first: bytes, fields: list[tuple[bytes, bytes, bytes]]) -> bytes:
    return first + b"".join(b"%s:%s%s%s\r\n" % (name, pad, value, pad) for name, value, pad in fields) + b"\r\n"


@given(TOKEN, FIELDS)
def test_a_valid_request_is_parsed_as_h11_parses_it(method: str, fields: list[tuple[bytes, bytes, bytes]]) -> None:
    head = head_of(method.encode() + b" /a?b HTTP/1.1\r\nHost: h\r\n", fields)
    ours = parse(head, max_headers=1000) if method != "CONNECT" else None
    judge = h11.Connection(h11.SERVER, 1 << 20)
    judge.receive_data(head)
    theirs = judge.next_event()
    if ours is not None:
        assert ours == theirs
        assert isinstance(theirs, h11.Request)
        assert ours.headers.raw_items() == theirs.headers.raw_items()


@given(st.integers(200, 599), st.text("abc DEF", max_size=10), FIELDS)
def test_a_valid_response_is_parsed_as_h11_parses_it(
    status: int, reason: str, fields: list[tuple[bytes, bytes, bytes]]
) -> None:
    head = head_of(b"HTTP/1.1 %d %s\r\n" % (status, reason.encode()), fields)
    judge = h11.Connection(h11.CLIENT, 1 << 20)
    judge.send(h11.Request(method="GET", target="/", headers=[("Host", "h")]))
    judge.receive_data(head)
    assert response_of(head, max_headers=1000) == judge.next_event()


@given(FIELDS, st.randoms(use_true_random=False))
def test_a_response_means_the_same_however_its_lines_end_and_are_folded(
    fields: list[tuple[bytes, bytes, bytes]], random: Random
) -> None:
    plain = head_of(b"HTTP/1.1 200 OK\r\n", fields)
    odd = b"".join(line + random.choice((b"\n", b"\r\n")) for line in plain.split(b"\r\n")[:-1])
    assert response_of(odd, max_headers=1000) == response_of(plain, max_headers=1000)
    folds = (b"\r\n ", b"\n\t", b" \t\r\n  ", b" ")
    folded = [(name, b" ".join((value, b"x")), pad) for name, value, pad in fields]
    head = b"HTTP/1.1 200 OK\n"
    for name, value, pad in folded:
        head += b"%b:%b%b\n" % (name, pad, random.choice(folds).join(value.rsplit(b" ", 1)))
    expected = [(name, b"x" if value == b" x" else value) for name, value, _ in folded]
    found = response_of(head + b"\n", max_headers=1000).headers.raw_items()
    assert [(name, value) for name, value in found] == expected


@given(st.binary(max_size=200), st.sampled_from([b"GET", b"HEAD", b"CONNECT"]))
def test_any_bytes_are_a_response_or_a_refusal(data: bytes, method: bytes) -> None:
    try:
        made = response_of(b"HTTP/1.1 200 OK\r\n" + data + b"\r\n\r\n", max_headers=100, method=method)
    except ProtocolError:
        return
    assert not set(b"\x00\r\n") & set(b"".join(value for _, value in made.headers))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_refusal_with_a_status(data: bytes) -> None:
    status, values = 200, b""
    try:
        values = b"".join(value for _, value in parse(b"GET / HTTP/1.1\r\n" + data + b"\r\n\r\n").headers)
    except ProtocolError as refusal:
        status = refusal.status
    assert status in (200, 400, 501)
    assert b"\n" not in values


@given(st.lists(st.sampled_from(FRAMING), max_size=4), st.lists(st.sampled_from([b"5", b"chunked", b"h"]), max_size=4))
def test_no_accepted_request_has_two_lengths_or_hosts(names: list[bytes], values: list[bytes]) -> None:
    fields = [(name, value, b" ") for name, value in zip(names, values, strict=False)]
    try:
        request = parse(head_of(b"POST / HTTP/1.1\r\n", fields))
    except ProtocolError:
        return
    found = [name for name, _ in request.headers]
    assert found.count(b"host") == 1
    assert found.count(b"content-length") + found.count(b"transfer-encoding") <= 1


@pytest.mark.parametrize("target", [b"/#", b"/a#b?x", b"http://h/#a", b"#"])
def test_a_target_has_no_fragment_behind_which_another_path_could_hide(target: bytes) -> None:
    with pytest.raises(ProtocolError, match="bad request line"):
        parse(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n")


def test_names_keep_their_spelling_beside_the_one_for_comparison() -> None:
    request = parse(b"GET / HTTP/1.1\r\nhOST: h\r\n\r\n")
    assert request.headers._full_items == [(b"hOST", b"host", b"h")]


@pytest.mark.parametrize(("size", "is_taken"), [(20, True), (19, False)])
def test_a_request_line_may_have_just_its_limit(size: int, is_taken: bool) -> None:
    head = b"GET /1234 HTTP/1.1\r\nHost: h\r\n\r\n"
    assert head.index(b"\n") + 1 == 20
    if is_taken:
        assert parse(head, max_line=size).target == b"/1234"
    else:
        with pytest.raises(ProtocolError, match="request line too long") as caught:
            parse(head, max_line=size)
        assert caught.value.status == 414


@pytest.mark.parametrize(("count", "is_taken"), [(3, True), (2, False)])
def test_a_head_may_have_just_so_many_fields(count: int, is_taken: bool) -> None:
    head = b"GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 2\r\n\r\n"
    if is_taken:
        assert len(parse(head, max_headers=count).headers) == 3
    else:
        with pytest.raises(ProtocolError, match="too many headers") as caught:
            parse(head, max_headers=count)
        assert caught.value.status == 431


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5, 6\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b" X: a\r\n",
        b"\tX: a\r\n",
        b" \r\nX: a\r\n",
        b"X : a\r\n",
        b"X\r\n : a\r\n",
        b"X: a\rY: b\r\n",
        b"X: a\r\r\n",
        b"X: a\r\r\n folded\r\n",
        b"X: a\0\r\n",
    ],
)
def test_a_response_that_could_be_understood_in_two_ways_is_refused(fields: bytes) -> None:
    with pytest.raises(ProtocolError):
        response_of(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n", max_headers=100)


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: ,5,, 5 ,\r\nX: y\r\ncontent-length: 5\r\n",
        b"Content-Length: 5, 05\r\nContent-Length: 0005\r\n",
    ],
)
def test_a_response_may_say_the_same_length_twice(fields: bytes) -> None:
    response = response_of(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n", max_headers=100)
    assert [value for name, value in response.headers if name == b"content-length"] == [b"5"]


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        (b"A: 1\r\n 2\r\n", b"1 2"),
        (b"A: 1 \t \r\n \t 2\r\n", b"1 2"),
        (b"A: 1\r\n 2\r\n\t3\r\n \r\n", b"1 2 3"),
        (b"A:\r\n 1\r\n", b"1"),
        (b"A: 1\n 2\n", b"1 2"),
        (b"A: 1\n", b"1"),
        (b"A: 1\n\t\r\n", b"1"),
    ],
)
def test_folded_lines_of_a_response_are_one_and_lf_ends_a_line(lines: bytes, value: bytes) -> None:
    for around in (b"", b"B: 3\r\n", b"B: 3\n"):
        for first in (b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\n", b"HTTP/1.1 200\n"):
            response = response_of(first + around + lines + around + b"\r\n", max_headers=100)
            others = [(b"b", b"3")] if around else []
            assert list(response.headers) == [*others, (b"a", value), *others]


def test_folding_costs_no_square_of_the_length_of_a_head() -> None:
    for fold in (b" " * 60_000, b"\r\n " * 20_000, b" \r\n " * 15_000):
        head = b"HTTP/1.1 200 OK\r\nA: 1" + fold + b"x\nB: 2\r\n\r\n"
        begun_s = time.process_time()
        assert response_of(head, max_headers=100).headers[1] == (b"b", b"2")
        assert time.process_time() - begun_s < 0.2


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: x\r\n",
        b"Transfer-Encoding: gzip\r\nContent-Length: 3\r\n",
    ],
)
@pytest.mark.parametrize(
    ("status", "method"), [(204, b"GET"), (304, b"GET"), (103, b"GET"), (404, b"HEAD"), (200, b"CONNECT")]
)
def test_what_an_answer_without_a_body_says_of_its_length_counts_for_nothing(
    fields: bytes, status: int, method: bytes
) -> None:
    head = b"HTTP/1.1 %d X\r\n%b\r\n" % (status, fields)
    assert response_of(head, max_headers=100, method=method).status_code == status


def test_an_answer_that_refuses_a_tunnel_has_a_body_and_a_length() -> None:
    with pytest.raises(ProtocolError):
        response_of(b"HTTP/1.1 403 X\r\nContent-Length: x\r\n\r\n", max_headers=100, method=b"CONNECT")


@pytest.mark.parametrize("version", [b"1.0", b"1.1", b"1.2", b"1.9"])
def test_any_version_1_is_understood(version: bytes) -> None:
    response = response_of(b"HTTP/" + version + b" 200 OK\r\n\r\n", max_headers=100)
    assert response.http_version == version


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/2.0 200 OK",
        b"HTTP/0.9 200 OK",
        b"HTTP/1.10 200 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 099 x",
        b"HTTP/1.1  200 OK",
        b"http/1.1 200 OK",
        b"200",
    ],
)
def test_a_bad_status_line_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        response_of(line + b"\r\n\r\n", max_headers=100)


def test_interim_responses_are_told_apart() -> None:
    assert type(response_of(b"HTTP/1.1 103 Early Hints\r\n\r\n", max_headers=9)) is h11.InformationalResponse
    assert type(response_of(b"HTTP/1.1 200\r\n\r\n", max_headers=9)) is h11.Response
