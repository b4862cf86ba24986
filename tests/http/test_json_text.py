"""JSON both ways: what has no form in it is refused where it comes from, and what was taken can always be sent."""

from __future__ import annotations

import enum
import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import MultiDict

from lasa.http._client.body import request_body
from lasa.http._wire import json_text
from lasa.http._wire.json_text import json_bytes, json_value
from lasa.http.server import Request
from tests.http.client_tools import answering, get, peer, sized
from tests.http.tools import connect, read_answer, serving

# What Python's own parser takes and JSON does not know, or what could not be sent again.
NO_JSON = [
    b"",
    b"{",
    b"NaN",
    b"[Infinity]",
    b'{"a": -Infinity}',
    b"1e400",
    b"-1.5E+999",
    b"9" * 400 + b".5",
    b"9" * 5000,
    b'"\xff"',
    b'"\xed\xa0\x80"',  # a surrogate in what would be UTF-8
    b"[" * 100_000,
    b'{"a":' * 100_000,
]
JSON: list[tuple[bytes, Any]] = [
    (b"\xef\xbb\xbf[1]", [1]),
    ("[1]".encode("utf-16-le"), [1]),
    ('"ä"'.encode("utf-32"), "ä"),
    (b'{"a": 1, "a": 2}', {"a": 2}),
    (b'"\\ud800"', "\ud800"),
    (b'"\\ud83d\\ude00"', "\U0001f600"),
    (b"[1e308, 1e-400, -0.0]", [1e308, 0.0, -0.0]),
    (b"9" * 4300, int("9" * 4300)),
    (b'{"\\udcff": null}', {"\udcff": None}),
]
DEEP = 5000  # beyond the recursion limit


def nested(depth: int, value: Any = None) -> Any:
    for step in range(depth):
        value = [value] if step % 2 else {"a": value}
    return value


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize("data", NO_JSON, ids=lambda data: repr(data[:20]))
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        json_value(data)


@pytest.mark.parametrize(("data", "value"), JSON, ids=lambda one: repr(one)[:20])
def test_what_was_taken_can_be_sent_and_taken_again(data: bytes, value: Any) -> None:
    assert json_value(data) == value
    assert json_value(json_bytes(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("\udc80.txt", rb'"\udc80.txt"'),
        ({"\ud800ä": "\U0001f600"}, '{"\\ud800ä": "\U0001f600"}'.encode()),
        ({1: 2, None: True, 0.5: []}, b'{"1": 2, "null": true, "0.5": []}'),
        ((enum.IntEnum("E", "a").a, {}), b"[1, {}]"),  # type: ignore[attr-defined]
    ],
)
def test_what_has_a_form_in_json_is_sent_in_it(value: Any, text: bytes) -> None:
    assert json_bytes(value) == text
    assert json_bytes(value, is_compact=True) == text.replace(b", ", b",").replace(b": ", b":")


@pytest.mark.parametrize(
    "value",
    [float("nan"), [float("-inf")], {float("nan"): 1}, b"", {b"a": 1}, {1, 2}, {(1,): 2}, 10**5000, object()],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_form_is_told_how_deep_it_may_stand(value: Any) -> None:
    for depth in (0, 3, DEEP):
        with pytest.raises((TypeError, ValueError)):
            json_bytes(nested(depth, value))


def test_a_value_that_contains_itself_is_told() -> None:
    small: list[Any] = []
    small.append({"a": (small,)})
    large: list[Any] = []
    large.append(nested(DEEP, large))
    for value in (small, large):
        with pytest.raises(ValueError, match="Circular reference"):
            json_bytes(value)
    assert json_bytes([small[:0]] * 2) == b"[[], []]"  # twice is not within


@settings(max_examples=30)
@given(values)
def test_without_recursion_the_same_is_written(value: Any) -> None:
    for encode, comma in ((json_text._encode, ", "), (json_text._encode_compact, ",")):
        assert "".join(json_text._pieces(value, encode, comma)) == encode(value)


@given(st.binary())
def test_any_bytes_are_refused_or_can_be_sent_again(data: bytes) -> None:
    try:
        value = json_value(data)
    except ValueError:
        return
    assert json_value(json_bytes(value)) == value


# -- on both sides of a connection


def exchanged(sock: Any, method: bytes, body: bytes = b"") -> tuple[int, bytes]:
    sock.send(b"%s / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s" % (method, len(body), body))
    answer, rest = read_answer(sock)
    assert rest == b""
    return answer.status, answer.body


def test_what_a_client_left_never_fails_the_answers_that_follow() -> None:
    kept: list[Any] = []

    def handler(request: Request) -> Any:
        if request.method == "POST":
            kept.append(request.json())
        return {"notes": kept}

    deep = [b"[" * depth + b"]" * depth for depth in range(800, 1100)]
    with serving(handler) as server, connect(server) as sock:
        told = []
        for data in [*NO_JSON, *(data for data, _ in JSON), *deep]:
            status, body = exchanged(sock, b"POST", data)
            told.append(status)
            if status == 200:
                kept.clear()
            else:
                assert (status, body) == (400, b"400 Bad Request: bad JSON\n")
    assert told[: len(NO_JSON)] == [400] * len(NO_JSON)
    assert told[len(NO_JSON) : -len(deep)] == [200] * len(JSON)


def test_what_a_handler_returns_that_is_no_json_is_its_error_and_the_log_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers: list[Any] = [{"when": {1}}, [float("nan")], {b"a": 1}, {"a": b""}, {"text"}, MultiDict(a="1")]
    with serving(lambda request: answers.pop()) as server, connect(server) as sock, caplog.at_level(logging.ERROR):
        for _ in range(6):
            assert exchanged(sock, b"GET") == (500, b"500 Internal Server Error\n")
    told = caplog.text
    assert "set is not JSON serializable" in told
    assert "not JSON compliant" in told
    assert "not bytes" in told
    assert "bytes, str or an iterable of them expected, got set" in told
    assert "bytes, str or an iterable of them expected, got MultiDict" in told


@pytest.mark.parametrize("way", ["whole", "pieces", "send"])
def test_what_text_has_no_form_for_is_replaced_as_browsers_do(way: str) -> None:
    text = json_value(b'"a\\ud800\\udc80\\ude00\\ud83d\\ude00"')

    def handler(request: Request) -> Any:
        if way == "whole":
            return text
        if way == "pieces":
            return iter([text])
        with request.respond() as response:
            response.send(text)
        return None

    with serving(handler) as server, connect(server) as sock:
        assert exchanged(sock, b"GET") == (200, "a\U00010080\ufffd\U0001f600".encode())


def test_a_client_sends_and_takes_the_same_json() -> None:
    sent = request_body(json={"\udc80": nested(DEEP)})
    assert sent is not None
    assert sent.content is not None
    assert sent.content.startswith(rb'{"\udc80":[{"a":[')
    for data in NO_JSON[2:8]:
        with peer(answering(sized(data))) as server, pytest.raises(ValueError):
            get(server.url).json()
    for data, value in JSON[:3]:
        with peer(answering(sized(data))) as server:
            assert get(server.url).json() == value
    with pytest.raises(ValueError):
        request_body(json=json.loads("NaN"))
