from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lasa
from lasa import thread
from lasa.errors import SocketError
from lasa.http import events
from lasa.http._client.sse import EventParser
from lasa.http.events import Event, EventSource, encode, plan_wait, subscribe
from tests.helpers import settle
from tests.http import client_tools
from tests.http.client_tools import Wire, answer_and_close, asleep, clean, header_of, new_client, peer
from tests.http.tools import serving

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"  # the body ends with the connection
GONE = b"HTTP/1.1 204 No Content\r\n\r\n"
NAMES = st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]))


def source_of(url: str, **options: Any) -> EventSource:
    return subscribe(url, **{"client": new_client(), "retry_s": 0, "max_retry_s": 0, **options})


def data_of(source: EventSource) -> list[str]:
    return [event.data for event in source]


def note(answer: bytes, seen: list[tuple[bytes, bytes]]) -> Callable[[Wire], None]:
    """A script: note one request, answer it, and end the connection."""

    def script(wire: Wire) -> None:
        seen.append(wire.request())
        wire.send(answer)

    return script


def outcome(source: EventSource) -> list[object]:
    """What iterating gives, and the word where it raises."""
    got: list[object] = []
    try:
        for event in source:
            got.append(event.data)
    except lasa.Error as error:
        got.append(error.reason)
    return got


def noted_waits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
    """Let no wait last; what they are planned by is noted here."""
    waits: list[tuple[int, float]] = []

    def plan(failures: int, base_s: float, max_s: float, chance: float) -> float:
        waits.append((failures, base_s))
        return 0.0

    monkeypatch.setattr(events, "plan_wait", plan)
    return waits


# -- the stream


def test_events_arrive_as_they_are_sent_and_204_ends_the_iteration() -> None:
    with (
        clean(),
        peer(answer_and_close(HEAD + b"event: tick\nid: 1\ndata: a\n\ndata: b\n\n"), answer_and_close(GONE)) as made,
    ):
        source = source_of(made.url)
        assert list(source) == [Event("tick", "a", "1", None), Event("message", "b", "1", None)]
        assert list(source) == []  # for good
        assert made.connections == 2


def test_each_new_connection_asks_for_what_follows_the_last_event() -> None:
    seen: list[tuple[bytes, bytes]] = []
    scripts = [
        note(HEAD + "id: é1\ndata: a\n\n".encode(), seen),
        note(HEAD + b"id: 2\n\n", seen),
        note(HEAD + b"id: 3\ndata: cut off\n", seen),
        note(GONE, seen),
    ]
    with clean(), peer(*scripts) as made:
        source = source_of(made.url)
        assert data_of(source) == ["a"]
        assert source.last_event_id == "2"
    assert [header_of(request, b"Last-Event-ID") for request in seen] == [[], ["é1".encode()], [b"2"], [b"2"]]
    assert header_of(seen[0], b"Accept") == [b"text/event-stream"]
    assert header_of(seen[0], b"Cache-Control") == [b"no-store"]


def test_last_event_id_is_that_of_the_last_event_returned_not_of_what_has_arrived() -> None:
    both = HEAD + b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n"
    with clean(), peer(answer_and_close(both)) as made, source_of(made.url, last_event_id="0") as source:
        assert source.last_event_id == "0"
        assert next(source).data == "a"
        assert source.last_event_id == "1"
        assert next(source).data == "b"
        assert source.last_event_id == "2"


def test_headers_and_options_go_with_each_request() -> None:
    seen: list[tuple[bytes, bytes]] = []
    with clean(), peer(note(HEAD, seen), note(GONE, seen)) as made:
        source = source_of(
            made.url, last_event_id="7", headers={"accept": "text/event-stream, */*", "X-Key": "k"}, json={"q": 1}
        )
        assert data_of(source) == []
    assert [body for _, body in seen] == [b'{"q":1}'] * 2
    for request in seen:
        assert request[0].startswith(b"POST / ")
        assert header_of(request, b"Accept") == [b"text/event-stream, */*"]
        assert header_of(request, b"X-Key") == [b"k"]
        assert header_of(request, b"Last-Event-ID") == [b"7"]


def test_a_client_with_timeout_and_max_body_does_not_cut_the_stream() -> None:
    with clean(), peer(answer_and_close(HEAD + encode("x" * 100) * 3), answer_and_close(GONE)) as made:
        source = source_of(made.url, client=new_client(timeout=1, max_body=100))
        assert data_of(source) == ["x" * 100] * 3
        assert source._options["timeout"] is None


def test_the_client_of_its_own_follows_redirects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with clean(), peer(answer_and_close(HEAD + b"data: a\n\n"), answer_and_close(GONE)) as target:
        moved = client_tools.redirect(target.url + "/", 307)
        with peer(answer_and_close(moved)) as made, subscribe(made.url, retry_s=0) as source:
            assert data_of(source) == ["a"]


# -- what ends a connection, and what ends all


def broken(wire: Wire) -> None:
    wire.request()
    wire.send(HEAD + b"data: a\n\n")
    wire.reset()


def cut(wire: Wire) -> None:
    wire.request()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100\r\n\r\ndata: a\n\ndata: b\n")


def quiet(wire: Wire) -> None:
    wire.request()
    wire.send(HEAD + b"data: a\n\n")
    asleep(wire)


@pytest.mark.parametrize("script", [broken, cut, quiet])
def test_a_lost_connection_is_followed_by_another(script: client_tools.Script) -> None:
    with clean(), peer(script, answer_and_close(HEAD + b"data: z\n\n"), answer_and_close(GONE)) as made:
        assert data_of(source_of(made.url, heartbeat_s=0.05)) in (["a", "z"], ["z"])  # a reset may overtake data
        assert made.connections == 3


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (client_tools.sized(b"no", status=b"404 Not Found"), "subscription refused: 404"),
        (
            client_tools.sized(
                b"",
                status=b"301 Moved",
            ),
            "subscription refused: 301",
        ),
        (client_tools.sized(b"busy", status=b"503 Busy"), "subscription refused: 503"),
        (client_tools.sized(b"x", b"Content-Type: text/html"), "not an event stream: text/html"),
        (client_tools.sized(b"x"), "not an event stream: no content type"),
        (b"SSH-2.0-server\r\n\r\n", "bad status line"),
    ],
)
def test_what_is_no_event_stream_is_an_error_at_once(answer: bytes, word: str) -> None:
    with clean(), peer(answer_and_close(answer)) as made:
        assert outcome(source_of(made.url)) == [word]
        assert made.connections == 1


def test_after_an_error_iterating_once_more_connects_once_more() -> None:
    seen: list[tuple[bytes, bytes]] = []
    refusal = client_tools.sized(b"", status=b"503 Busy")
    scripts = [
        note(HEAD + b"id: 1\ndata: a\n\n", seen),
        note(refusal, seen),
        note(HEAD + b"data: b\n\n", seen),
        note(GONE, seen),
    ]
    with clean(), peer(*scripts) as made:
        source = source_of(made.url)
        assert outcome(source) == ["a", "subscription refused: 503"]
        assert outcome(source) == ["b"]
    assert header_of(seen[2], b"Last-Event-ID") == [b"1"]


def test_attempts_bound_the_failures_in_a_row() -> None:
    with clean(), peer(answer_and_close(b"")) as made:
        source = source_of(made.url, attempts=3)
        with pytest.raises(lasa.SocketClosed):
            next(source)
        assert made.connections == 3
    fruitful = answer_and_close(HEAD + b"data: a\n\n")
    with clean(), peer(*[answer_and_close(b""), fruitful] * 4, answer_and_close(GONE)) as made:
        assert data_of(source_of(made.url, attempts=2)) == ["a"] * 4
        assert made.connections == 9


@pytest.mark.parametrize("body", [b"", b": welcome\n\n", b"retry: 0\n\n", b"data: cut off"])
def test_a_connection_that_gave_no_event_is_a_failure(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = noted_waits(monkeypatch)
    with clean(), peer(answer_and_close(HEAD + body)) as made:
        assert outcome(source_of(made.url, attempts=3)) == ["closed"]
        assert made.connections == 3
    assert [failures for failures, _ in waits] == [1, 2, 3]


def test_a_connection_that_comments_kept_open_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "STEADY_S", 0.0)
    scripts = [answer_and_close(HEAD + b": alive\n\n")] * 3 + [answer_and_close(GONE)]
    with clean(), peer(*scripts) as made:
        assert outcome(source_of(made.url, attempts=1)) == []
        assert made.connections == 4


def test_a_stream_that_breaks_before_its_first_event_is_asked_for_again() -> None:
    bad = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n"
    with clean(), peer(answer_and_close(bad), answer_and_close(HEAD + encode("a")), answer_and_close(GONE)) as made:
        assert outcome(source_of(made.url)) == ["a"]


def test_each_loss_is_logged_without_the_secrets_of_the_url(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "lasa.http.events")
    with clean(), peer(answer_and_close(HEAD + encode("a")), answer_and_close(b""), answer_and_close(GONE)) as made:
        url = made.url.replace("http://", "http://ann:secret@") + "/ticks?token=secret"
        assert data_of(source_of(url)) == ["a"]
    records = [record for record in caplog.records if record.name == "lasa.http.events"]
    assert {record.levelname for record in records} == {"INFO"}
    lines = [record.getMessage() for record in records]
    assert len(lines) == 2
    for line in lines:
        assert re.fullmatch(r"lost http://\*\*\*@127.0.0.1:\d+/ticks: closed; connecting again in 0.[12] s", line)


def test_the_last_failure_is_raised_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "lasa.http.events")
    with clean(), peer(answer_and_close(b"")) as made:
        assert outcome(source_of(made.url, attempts=1)) == ["closed"]
    assert caplog.records == []


# -- a Timeout of the caller's


def polled(source: EventSource, period_s: float = 0.01) -> list[str]:
    """What somebody gets who looks for events now and then."""
    got: list[str] = []
    for _ in range(1000):
        try:
            with gevent.Timeout(period_s):
                got.append(next(source).data)
        except gevent.Timeout:
            continue
        except StopIteration:
            return got
    raise AssertionError(f"no end after {got}")


def test_a_timeout_while_it_waits_for_an_event_neither_ends_nor_skips_anything() -> None:
    def slow(wire: Wire) -> None:
        wire.request()
        for part in (HEAD, b"data: a\n", b"\ndata: b", b"\n\ndata: c\n\n"):
            wire.send(part)
            gevent.sleep(0.03)

    with clean(), peer(slow, answer_and_close(GONE)) as made:
        assert polled(source_of(made.url)) == ["a", "b", "c"]
        assert made.connections == 2


def test_a_timeout_while_it_connects_does_not_begin_anew() -> None:
    def slow(wire: Wire) -> None:
        wire.request()
        gevent.sleep(0.05)
        wire.send(HEAD + encode("a"))

    with clean(), peer(slow, answer_and_close(GONE)) as made:
        assert polled(source_of(made.url)) == ["a"]
        assert made.connections == 2


def test_a_timeout_before_it_connects_again_does_not_begin_the_wait_anew() -> None:
    with clean(), peer(answer_and_close(HEAD + encode("a")), answer_and_close(GONE)) as made:
        assert polled(source_of(made.url, retry_s=0.1)) == ["a"]


def test_close_ends_a_request_that_a_timeout_has_left() -> None:
    ended: list[bytes] = []
    with clean(), peer(lambda wire: ended.append(wire.rest())) as made:
        source = source_of(made.url)
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.02):
            next(source)
        assert ended == []
        source.close()
        settle()
        assert ended[0].startswith(b"GET / ")
        assert data_of(source) == []


def test_another_light_thread_may_go_on_where_a_timeout_left_off() -> None:
    go_on = gevent.event.Event()

    def slow(wire: Wire) -> None:
        wire.request()
        go_on.wait()
        wire.send(HEAD + encode("a"))

    with clean(), peer(slow, answer_and_close(GONE)) as made:
        source = source_of(made.url)
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
            next(source)
        go_on.set()
        assert thread.wait(thread.spawn(data_of, source)) == (True, ["a"])
        assert made.connections == 2


def test_a_url_that_is_none_is_a_word_and_a_bad_option_raises() -> None:
    assert outcome(source_of("ftp://nobody/")) == ["bad uri: ftp://nobody/"]
    with pytest.raises(ValueError, match='unknown option "colour"'):
        next(source_of("http://127.0.0.1:1/", colour="red"))


def test_each_connection_asks_by_the_method_that_is_given() -> None:
    seen: list[tuple[bytes, bytes]] = []
    with clean(), peer(note(HEAD + b"data: a\n\n", seen), note(GONE, seen)) as made:
        assert data_of(source_of(made.url, method="REPORT", body=b"query")) == ["a"]
    assert [(head.partition(b" ")[0], body) for head, body in seen] == [(b"REPORT", b"query")] * 2


def test_an_event_beyond_the_limit_is_an_error_after_those_before_it() -> None:
    with clean(), peer(answer_and_close(HEAD + b"data: a\n\ndata: " + b"x" * 100 + b"\n\n")) as made:
        assert outcome(source_of(made.url, max_event_bytes=50)) == ["a", "event too large"]


def test_an_id_that_no_header_can_hold_is_an_error_when_it_is_needed() -> None:
    with clean(), peer(answer_and_close(HEAD + b"id: a\x01b\ndata: a\n\n")) as made:
        assert outcome(source_of(made.url)) == ["a", "bad event id"]
        assert made.connections == 1


def test_a_client_that_is_closed_ends_the_subscription_too() -> None:
    hc = new_client()
    with clean(), peer(quiet) as made:
        source = source_of(made.url, client=hc)
        assert next(source).data == "a"
        hc.close()
        assert outcome(source) == ["closed"]


# -- close


def closes_while_waiting(source: EventSource) -> None:
    got: list[object] = []
    reader = thread.spawn(lambda: got.append(outcome(source)))
    settle()
    assert got == []
    source.close()
    assert thread.wait(reader) == (True, None)
    assert got == [[]]


def test_close_ends_an_iteration_that_waits_for_an_event() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(HEAD)
        assert wire.rest() == b""

    with clean(), peer(script) as made:
        closes_while_waiting(source_of(made.url))


def test_close_ends_an_iteration_that_waits_for_an_answer() -> None:
    with clean(), peer(client_tools.silent) as made:
        closes_while_waiting(source_of(made.url))


def test_close_ends_an_iteration_that_waits_to_connect_again() -> None:
    with clean(), peer(answer_and_close(b"")) as made:
        closes_while_waiting(source_of(made.url, retry_s=600, max_retry_s=600))


def test_a_light_thread_killed_while_it_connects_leaves_nothing_behind() -> None:
    with clean(), peer(client_tools.silent) as made:
        reader = thread.spawn(data_of, source_of(made.url))
        settle()
        assert thread.kill(reader) == (1, None)


def test_leaving_the_with_closes_the_connection_and_drops_events() -> None:
    with clean(), peer(quiet) as made:
        with source_of(made.url) as source:
            assert next(source).data == "a"
        assert data_of(source) == []
        settle()
        assert made.wires[0].rest() == b""


def test_only_one_light_thread_reads() -> None:
    with clean(), peer(client_tools.silent) as made:
        source = source_of(made.url)
        reader = thread.spawn(data_of, source)
        settle()
        with pytest.raises(RuntimeError, match="another light thread"):
            next(source)
        source.close()
        assert thread.wait(reader) == (True, [])


# -- the plan


def test_the_wait_doubles_with_failures_up_to_its_end() -> None:
    assert [plan_wait(failures, 3, 60, 0) for failures in range(7)] == [3, 3, 6, 12, 24, 48, 60]
    assert plan_wait(10_000, 3, 60, 1) == 90


def test_the_wait_is_never_shorter_than_the_server_asked_for() -> None:
    assert plan_wait(0, 600, 60, 0) == plan_wait(5, 600, 60, 0) == 600


def test_no_wait_is_shorter_than_a_tenth_of_a_second() -> None:
    assert plan_wait(0, 0, 60, 0) == plan_wait(1, 0, 60, 0) == plan_wait(5, 0, 0, 0) == 0.1
    assert plan_wait(2, 0, 60, 0) == 0.2


@given(st.integers(0, 10**6), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1))
def test_the_wait_is_between_its_base_and_half_as_much_again_as_its_end(
    failures: int, base_s: float, max_s: float, chance: float
) -> None:
    assert base_s <= plan_wait(failures, base_s, max_s, chance) <= max(base_s, max_s, 0.1) * 1.5


def test_the_time_that_a_server_asks_for_holds_until_it_asks_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = noted_waits(monkeypatch)
    event = encode("a")
    scripts = [answer_and_close(b""), answer_and_close(HEAD + b"retry: 20\n" + event)]
    scripts += [answer_and_close(HEAD + event), answer_and_close(b""), answer_and_close(GONE)]
    with clean(), peer(*scripts) as made:
        assert data_of(source_of(made.url, retry_s=5)) == ["a", "a"]
    assert waits == [(1, 5), (0, 0.02), (0, 0.02), (1, 0.02)]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"last_event_id": "a\nb"}, ValueError),
        ({"last_event_id": "\ud800"}, ValueError),
        ({"last_event_id": 7}, TypeError),
        ({"retry_s": -1}, ValueError),
        ({"retry_s": "3"}, TypeError),
        ({"heartbeat_s": 0}, ValueError),
        ({"attempts": 0}, ValueError),
        ({"attempts": True}, TypeError),
        ({"max_event_bytes": float("nan")}, TypeError),
        ({"read": 5}, ValueError),
        ({"stream": False}, ValueError),
        ({"headers": {"Last-Event-Id": "1"}}, ValueError),
        ({"body": iter([b"x"])}, TypeError),
    ],
)
def test_a_bad_argument_raises_before_anything_is_sent(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        subscribe("http://127.0.0.1:1/", **options)


# -- the server's side


def test_encode_writes_the_fields_of_an_event() -> None:
    assert encode("a\nb", "tick", "7", 1500) == b"event: tick\nid: 7\nretry: 1500\ndata: a\ndata: b\n\n"
    assert encode("") == b"data: \n\n"
    assert encode(b"x\r\ny\rz\x85") == b"data: x\ndata: y\ndata: z\x85\n\n"
    assert encode(None, retry_ms=0) == b"retry: 0\n\n"


@given(NAMES.map(lambda text: text + "."), st.one_of(st.text(st.characters(exclude_categories=["Cs"]))), NAMES)
def test_what_encode_writes_the_parser_reads(event: str, data: str, id: str) -> None:
    (found,) = EventParser().feed(encode(data, event, id, 5))
    assert found == Event(event, data.replace("\r\n", "\n").replace("\r", "\n"), id, 5)


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\0b"])
def test_encode_refuses_what_would_end_a_field(text: str) -> None:
    with pytest.raises(ValueError, match="bad event"):
        encode("", text)
    with pytest.raises(ValueError, match="bad id"):
        encode("", id=text)


def test_encode_refuses_other_types() -> None:
    wrong: list[tuple[Any, ...]] = [(1,), ("", 1), ("", None, 1), ("", None, None, 1.5), ("", None, None, True), ({},)]
    for arguments in wrong:
        with pytest.raises(TypeError):
            encode(*arguments)
    with pytest.raises(ValueError, match="bad retry_ms"):
        encode("", retry_ms=-1)


def test_a_lasa_server_resumes_behind_the_last_event() -> None:
    def handler(request: Any) -> Any:
        first = int(request.headers.get("last-event-id", "0")) + 1
        if first > 5:
            return 204, {}, None
        with request.respond(200, {"content-type": "text/event-stream"}) as response:
            for number in range(first, first + 2):
                response.send(encode(f"event {number}", id=str(number)))
        return None

    with clean(), serving(handler) as server, source_of(server.url) as source:
        assert data_of(source) == [f"event {number}" for number in range(1, 7)]
        assert source.last_event_id == "6"


def test_failures_are_errors_of_sockets() -> None:
    with pytest.raises(SocketError) as caught:
        next(source_of("http://nobody@/"))
    assert caught.value.reason == "bad uri: http://***@/"
