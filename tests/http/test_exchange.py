"""An Exchange beside a plain h11.Connection: the same events and states for whatever is valid, however it is cut."""

from __future__ import annotations

import time
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa.http._wire.errors import ProtocolError
from lasa.http._wire.exchange import Exchange, Limits

HOST = ("Host", "h")
CONNECTIONS = st.sampled_from([[], [("Connection", "close")], [("Connection", "keep-alive")], [("Connection", "X")]])
BODIES = st.one_of(st.none(), st.lists(st.binary(max_size=40), max_size=4))
TRAILERS = st.sampled_from([[], [], [("X-Sum", "1")], [("X-Sum", "1"), ("X-Sum", "2")]])


@st.composite
def requests(draw: Any) -> list[Any]:
    """The events of one request."""
    method = draw(st.sampled_from(["GET", "HEAD", "POST", "PUT"]))
    pieces = draw(BODIES)
    headers = [HOST, *draw(CONNECTIONS)]
    if draw(st.booleans()):
        headers.append(("Upgrade", "any"))
    if draw(st.booleans()):
        headers.append(("Expect", "100-continue"))
    return _message(draw, pieces, headers, lambda fields: h11.Request(method=method, target="/a?b", headers=fields))


@st.composite
def responses(draw: Any) -> list[Any]:
    """The events of one response, perhaps after interim ones."""
    interim = draw(st.lists(st.sampled_from([100, 103]), max_size=2))
    status = draw(st.sampled_from([200, 204, 304, 404, 500]))
    headers = [("X", "y"), *draw(CONNECTIONS)]
    pieces = draw(BODIES) if status not in (204, 304) else None
    events: list[Any] = [h11.InformationalResponse(status_code=code, headers=[]) for code in interim]
    return events + _message(
        draw,
        [] if pieces is None and status not in (204, 304) else pieces,
        headers,
        lambda fields: h11.Response(status_code=status, headers=fields, reason=b"Because"),
    )


def _message(draw: Any, pieces: list[bytes] | None, headers: list[Any], make: Any) -> list[Any]:
    if pieces is None:
        return [make(headers), h11.EndOfMessage()]
    if draw(st.booleans()):
        length = ("Content-Length", str(sum(map(len, pieces))))
        return [make([*headers, length]), *map(_data, pieces), h11.EndOfMessage()]
    coded = [*headers, ("Transfer-Encoding", "chunked")]
    return [make(coded), *map(_data, pieces), h11.EndOfMessage(headers=draw(TRAILERS))]


def _data(piece: bytes) -> Any:
    return h11.Data(data=piece)


def drained(connection: Any) -> list[Any]:
    """All events that the connection has, with neighbouring pieces joined."""
    found: list[Any] = []
    while True:
        event = connection.next_event()
        if event in (h11.NEED_DATA, h11.PAUSED):
            return found
        if isinstance(event, h11.Data):
            if found and isinstance(found[-1], bytes):
                found[-1] += bytes(event.data)
            else:
                found.append(bytes(event.data))
        else:
            found.append(event)


def joined(events: list[Any]) -> list[Any]:
    whole: list[Any] = []
    for event in events:
        if isinstance(event, bytes) and whole and isinstance(whole[-1], bytes):
            whole[-1] += event
        else:
            whole.append(event)
    return whole


def cut(data: bytes, steps: list[int]) -> list[bytes]:
    pieces, position = [], 0
    for step in steps:
        pieces.append(data[position : position + step])
        position += step
    return [piece for piece in [*pieces, data[position:]] if piece]


def feed(connection: Any, pieces: list[bytes]) -> list[Any]:
    events = []
    for piece in pieces:
        connection.receive_data(piece)
        events += drained(connection)
    return joined(events)


@given(
    st.lists(st.tuples(requests(), responses()), min_size=1, max_size=4),
    st.lists(st.integers(1, 30), max_size=20),
)
def test_both_roles_see_the_events_and_states_that_h11_sees(
    conversation: list[tuple[list[Any], list[Any]]], steps: list[int]
) -> None:
    limits = Limits()
    writer_of_requests, writer_of_responses = h11.Connection(h11.CLIENT), h11.Connection(h11.SERVER)
    our_server, their_server = Exchange(h11.SERVER, limits), h11.Connection(h11.SERVER)
    our_client, their_client = Exchange(h11.CLIENT, limits), h11.Connection(h11.CLIENT)
    everyone = [writer_of_requests, writer_of_responses, our_server, their_server, our_client, their_client]
    for request, response in conversation:
        data = b"".join(writer_of_requests.send(event) for event in request)
        for client in (our_client, their_client):
            assert b"".join(client.send(event) for event in request) == data
        for piece in cut(data, steps):
            got = []
            for server in (our_server, their_server):
                server.receive_data(piece)
                got.append(drained(server))
            assert got[0] == got[1]
            assert our_server.states == their_server.states
            assert our_server.they_are_waiting_for_100_continue == their_server.they_are_waiting_for_100_continue
        feed(writer_of_responses, [data])
        is_head = request[0].method == b"HEAD"
        if is_head:
            response = [event for event in response if not isinstance(event, h11.Data)]
            response[-1] = h11.EndOfMessage()
        data = b"".join(writer_of_responses.send(event) for event in response)
        assert b"".join(their_server.send(event) for event in response) == data
        # h11 puts the head into shape; ours is in shape when it is made, see _respond.py.
        shaped = [their_server_head(event, writer_of_responses, request[0]) for event in response]
        for event in shaped:
            our_server.send(event)
        assert our_server.states == their_server.states
        for piece in cut(data, steps):
            got = []
            for client in (our_client, their_client):
                client.receive_data(piece)
                got.append(drained(client))
            assert got[0] == got[1]
            assert our_client.states == their_client.states
        feed(writer_of_requests, [data])
        if their_client.our_state is not h11.DONE or their_server.our_state is not h11.DONE:
            return
        for connection in everyone:
            connection.start_next_cycle()


def their_server_head(event: Any, writer: h11.Connection, request: h11.Request) -> Any:
    if not isinstance(event, h11.Response):
        return event
    judge = h11.Connection(h11.SERVER)
    judge._request_method = request.method
    judge.their_http_version = b"1.1"
    judge._cstate.keep_alive = b"close" not in dict(request.headers).get(b"connection", b"")
    return judge._clean_up_response_headers_for_sending(event)


HEAD = b"GET /abc HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 50 + b"\r\n\r\n"


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 1000])
@pytest.mark.parametrize(("size", "is_taken"), [(len(HEAD), True), (len(HEAD) - 1, False)])
def test_a_heads_size_is_counted_however_it_is_cut(step: int, size: int, is_taken: bool) -> None:
    exchange = Exchange(h11.SERVER, Limits(max_head=size))
    pieces = [HEAD[start : start + step] for start in range(0, len(HEAD), step)]
    if is_taken:
        assert isinstance(feed(exchange, pieces)[0], h11.Request)
    else:
        with pytest.raises(ProtocolError, match="head too large") as caught:
            feed(exchange, pieces)
        assert caught.value.status == 431


@pytest.mark.parametrize("step", [999, 8191, 8192, 8193, 70_000])
def test_a_large_head_chunk_header_or_trailer_is_the_same_however_it_is_cut(step: int) -> None:
    exchange = Exchange(h11.SERVER, Limits(max_head=200_000))
    field = b"X: " + b"x" * 60_000 + b"\r\n"
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n" + field * 3 + b"\r\n"
    data = head + b"9000;a=" + b"x" * 15_000 + b"\r\n" + b"y" * 0x9000 + b"\r\n0\r\n" + field * 2 + b"\r\nbehind"
    events = feed(exchange, [data[start : start + step] for start in range(0, len(data), step)])
    request, body, end = (event for event in events if event is not h11.PAUSED)
    assert [value for name, value in request.headers if name == b"x"] == [b"x" * 60_000] * 3
    assert body == b"y" * 0x9000
    assert list(end.headers) == [(b"x", b"x" * 60_000)] * 2
    assert exchange.unread == b"behind"


def test_a_large_head_in_small_pieces_costs_no_more_than_its_length() -> None:
    exchange = Exchange(h11.SERVER, Limits(max_head=1 << 22, max_request_line=1 << 22))
    data = b"GET /" + b"a" * (1 << 21)
    started_s = time.process_time()
    feed(exchange, [data[start : start + 200] for start in range(0, len(data), 200)])
    assert time.process_time() - started_s < 1.0  # copied with each piece, it was 20 times as much


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 100_000])
@pytest.mark.parametrize("line_end", [b"", b"\r\n", b" HTTP/1.1\r\nHost: h\r\n\r\n"])
def test_a_long_request_line_is_told_however_it_is_cut(step: int, line_end: bytes) -> None:
    exchange = Exchange(h11.SERVER, Limits(max_head=200, max_request_line=100))
    data = b"GET /" + b"a" * 300 + line_end
    with pytest.raises(ProtocolError, match="request line too long") as caught:
        feed(exchange, [data[start : start + step] for start in range(0, len(data), step)])
    assert caught.value.status == 414


@given(st.lists(st.integers(1, 40), max_size=40), st.integers(0, 300))
def test_a_trailer_section_is_counted_however_it_is_cut(steps: list[int], size: int) -> None:
    exchange = Exchange(h11.SERVER, Limits(max_head=120))
    trailer = b"X: " + b"x" * size + b"\r\n\r\n"
    data = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + trailer
    if len(trailer) <= 120:
        assert isinstance(feed(exchange, cut(data, steps))[-1], h11.EndOfMessage)
    else:
        with pytest.raises(ProtocolError, match="head too large"):
            feed(exchange, cut(data, steps))


def test_trailers_are_counted() -> None:
    exchange = Exchange(h11.SERVER, Limits(max_headers=3))
    data = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 4 + b"\r\n"
    with pytest.raises(ProtocolError, match="too many trailers"):
        feed(exchange, [data])


@given(st.binary(max_size=300), st.lists(st.integers(1, 40), max_size=10))
def test_any_bytes_give_events_or_a_refusal_and_nothing_else(data: bytes, steps: list[int]) -> None:
    for role in (h11.CLIENT, h11.SERVER):
        exchange = Exchange(role, Limits())
        if role is h11.CLIENT:
            exchange.send(h11.Request(method="GET", target="/", headers=[HOST]))
            exchange.send(h11.EndOfMessage())
        refused_with = 0
        try:
            events = feed(exchange, cut(data, steps))
            assert all(isinstance(event, bytes | h11.Event) for event in events)
        except ProtocolError as refusal:
            refused_with = refusal.status
        assert (exchange.their_state is h11.ERROR) == bool(refused_with)
        assert refused_with in (0, 400, 414, 431, 501, 505)


@given(st.binary(max_size=60), st.lists(st.integers(1, 10), max_size=20))
def test_what_is_behind_a_request_stays_unread_until_its_turn(rest: bytes, steps: list[int]) -> None:
    exchange = Exchange(h11.SERVER, Limits())
    first = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    exchange.receive_data(first)
    assert len(drained(exchange)) == 2
    for piece in cut(rest, steps):
        exchange.receive_data(piece)
    assert exchange.unread == rest
    assert exchange.has_unread == bool(rest)


def test_the_peers_end_within_a_message_is_told() -> None:
    exchange = Exchange(h11.SERVER, Limits())
    exchange.receive_data(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe")
    assert feed(exchange, [b"l"])[-1] == b"hel"
    exchange.receive_data(b"")
    with pytest.raises(ProtocolError, match="peer closed"):
        exchange.next_event()
    assert exchange.has_ended


@pytest.mark.parametrize(
    ("head", "status", "is_offered"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: any\r\n\r\n", 101, True),
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 101, False),
        (b"GET / HTTP/1.0\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: any\r\n\r\n", 101, False),
        (b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 200, True),
        (b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 404, False),
        (b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 101, False),
    ],
)
def test_a_switch_of_protocols_is_only_what_the_client_has_asked_for(
    head: bytes, status: int, is_offered: bool
) -> None:
    exchange = Exchange(h11.SERVER, Limits())
    exchange.receive_data(head)
    drained(exchange)
    assert exchange.would_switch(status) is is_offered
