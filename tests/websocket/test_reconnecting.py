"""One connection after another: the pauses between them, what ends the loop, and how it is stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lasa
from lasa import thread, websocket
from lasa.websocket import WebSocket
from lasa.websocket._socket import reconnecting as module
from lasa.websocket._socket.reconnecting import Backoff, makes_sense
from lasa.websocket.client import ClientWebSocket, Reconnecting
from tests.helpers import nothing_left_open, settle
from tests.http.client_tools import Wire, answer_and_close, peer, silent
from tests.servers import free_port
from tests.socket.tools import failure_of, result_of, spawn_blocked
from tests.websocket.tools import CLOSE, TEXT, Far, header_values, serving, shake_hands

QUICK: dict[str, Any] = {"min_delay_s": 0.002, "max_delay_s": 0.01, "proxy": False}
NEVER: dict[str, Any] = {"min_delay_s": 1000, "max_delay_s": 1000, "proxy": False}


def refusal(status: bytes) -> bytes:
    return b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nno"


def say(*texts: str, code: int | None = 1000) -> Callable[[Wire], None]:
    """A script: agree, say something, close, and end TCP; without a code just end TCP."""

    def script(wire: Wire) -> None:
        if not shake_hands(wire):
            return
        far = Far(wire, masks=False)
        for text in texts:
            far.send(TEXT, text.encode())
        if code is not None:
            far.send(CLOSE, code.to_bytes(2, "big"))
            far.next()

    return script


def stay(wire: Wire) -> None:
    """A script: agree, answer a close, and otherwise be silent."""
    if shake_hands(wire):
        far = Far(wire, masks=False)
        while (found := far.next()) is not None:
            if found.opcode == CLOSE:
                far.send(CLOSE, found.payload)
                return


def url_of(server: Any) -> str:
    return f"ws://127.0.0.1:{server.port}/"


# -- the pauses, without a clock


def test_the_pause_is_doubled_up_to_its_maximum_and_begins_anew_after_a_success() -> None:
    backoff = Backoff(0.5, 10, None)
    assert [backoff.fail(0) for _ in range(7)] == [0.5, 1, 2, 4, 8, 10, 10]
    assert backoff.failures == 7
    backoff.succeed()
    assert backoff.failures == 0
    assert backoff.fail(0) == 0.5
    assert not backoff.is_over


@given(st.floats(0, 100), st.floats(0, 1000), st.lists(st.floats(0, 1), min_size=1, max_size=200), st.integers(1, 300))
def test_a_pause_is_between_a_half_and_the_whole_of_what_is_due(
    least_s: float, more_s: float, chances: list[float], attempts: int
) -> None:
    backoff = Backoff(least_s, least_s + more_s, attempts)
    for at, chance in enumerate(chances):
        assert backoff.is_over is (at >= attempts)
        due_s = min(least_s * 2.0**at, least_s + more_s)
        pause_s = backoff.fail(chance)
        assert isinstance(pause_s, float)
        assert due_s / 2 <= pause_s <= due_s


def test_any_number_of_failures_is_no_overflow() -> None:
    backoff = Backoff(1e-3, 60, None)
    assert [backoff.fail(0) for _ in range(3000)][-1] == 60
    backoff = Backoff(1e-300, 60, None)
    assert all(0 < backoff.fail(1) <= 60 for _ in range(3000))


@pytest.mark.parametrize(
    "arguments",
    [
        {"min_delay_s": -1},
        {"min_delay_s": float("nan")},
        {"min_delay_s": "soon"},
        {"max_delay_s": None},
        {"min_delay_s": 2, "max_delay_s": 1},
        {"max_attempts": 0},
        {"max_attempts": -1},
        {"max_attempts": "many"},
    ],
)
def test_pauses_and_attempts_that_are_none_raise_at_once(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="bad m"):
        websocket.client.reconnecting("ws://127.0.0.1:1/", **arguments)


@pytest.mark.parametrize(
    "options", [{"nonsense": 1}, {"max_message": -1}, {"ssl_cert": "/nowhere"}, {"pool_size": 0}, {"headers": 5}]
)
def test_a_bad_option_of_a_connection_raises_before_the_loop(options: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, OSError)):
        websocket.client.reconnecting("ws://127.0.0.1:1/", **options)


def test_a_bad_option_that_is_renewed_raises_and_is_not_tried_again() -> None:
    loop = websocket.client.reconnecting("ws://127.0.0.1:1/", renew=lambda: {"nonsense": 1}, **QUICK)
    with pytest.raises(ValueError, match="nonsense"):
        next(loop)


class Response:
    def __init__(self, code: int) -> None:
        self.code = code


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        *((code, True) for code in (None, 200, 301, 408, 425, 429, 500, 503)),
        *((code, False) for code in (400, 401, 403, 404, 426)),
    ],
)
def test_whether_another_attempt_makes_sense(code: int | None, expected: bool) -> None:
    word = type("Word", (str,), {"response": None if code is None else Response(code)})("bad HTTP response status line")
    assert makes_sense(word) is expected
    assert makes_sense("failed to connect: connection refused")
    assert not makes_sense("bad websocket uri")


# -- the loop


def test_a_connection_that_ends_is_followed_by_the_next_one() -> None:
    scripts = [say("one", "two"), say("three", code=None), say(code=1011), say("four", code=4000), say("five")]
    received, closings = [], []
    with peer(*scripts) as server:
        for wb in websocket.client.reconnecting(url_of(server), **QUICK):
            received.append(list(wb))
            assert wb.closing is not None
            closings.append(wb.closing.code)
            if len(closings) == 5:
                break
        assert server.connections == 5
    assert received == [["one", "two"], ["three"], [], ["four"], ["five"]]
    assert closings == [1000, 1006, 1011, 4000, 1000]


def test_a_connection_that_is_still_open_is_closed_at_the_next_step() -> None:
    codes = []

    def handler(wb: WebSocket) -> None:
        wb.send("hello")
        list(wb)
        codes.append(wb.closing)

    with serving(handler) as server:
        loop = websocket.client.reconnecting(server.url, **QUICK)
        first = next(loop)
        assert first.receive() == ("hello", None)
        second = next(loop)
        assert not first.is_open
        assert codes == [(1000, "", "peer")]
        assert second.receive() == ("hello", None)
        loop.stop()
        with pytest.raises(StopIteration):
            next(loop)
        assert not second.is_open


def test_whoever_breaks_keeps_the_connection_and_no_other_is_opened() -> None:
    with peer(stay) as server:
        kept = []
        for wb in websocket.client.reconnecting(url_of(server), **QUICK):
            kept.append(wb)
            break
        (wb,) = kept
        assert wb.is_open
        assert wb.close() == ((1000, "", "us"), None)
        assert server.connections == 1


def test_an_error_in_the_body_ends_the_loop_as_any_other() -> None:
    with peer(stay) as server:
        loop = websocket.client.reconnecting(url_of(server), **QUICK)

        def fail() -> None:
            for wb in loop:
                raise KeyError(wb)

        with pytest.raises(KeyError):
            fail()
        loop.stop()
        assert list(loop) == []


def test_attempts_that_fail_are_followed_by_others_until_one_succeeds() -> None:
    scripts = [answer_and_close(refusal(b"503 Busy")), answer_and_close(refusal(b"429 Slowly")), say("here")]
    scripts.insert(1, lambda wire: wire.close())
    with peer(*scripts) as server:
        loop = websocket.client.reconnecting(url_of(server), **QUICK)
        wb = next(loop)
        assert server.connections == 4
        assert list(wb) == ["here"]


def test_the_last_of_so_many_attempts_raises_its_word() -> None:
    port = free_port()
    begun_s = time.monotonic()
    with pytest.raises(lasa.Error, match=r"^failed to connect: connection refused$"):
        next(
            websocket.client.reconnecting(
                f"ws://127.0.0.1:{port}/", min_delay_s=0.02, max_delay_s=0.02, max_attempts=3, proxy=False
            )
        )
    assert 0.02 <= time.monotonic() - begun_s < 5  # two pauses of at least a half each


def test_a_connection_in_between_begins_the_count_of_attempts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LASTED_S", 0.0)
    busy = answer_and_close(refusal(b"503 Busy"))
    with peer(busy, say("one"), busy, say("two"), busy, busy) as server:
        loop = websocket.client.reconnecting(url_of(server), max_attempts=2, **QUICK)
        found = [list(next(loop)), list(next(loop))]
        with pytest.raises(lasa.Error, match="503"):
            next(loop)
        assert found == [["one"], ["two"]]
        assert server.connections == 6


@pytest.mark.parametrize(("code", "word"), [(1000, "closed"), (1011, "closed"), (None, "closed")])
def test_connections_that_do_not_last_are_attempts_that_fail(code: int | None, word: str) -> None:
    with peer(say(code=code)) as server:
        loop = websocket.client.reconnecting(url_of(server), max_attempts=3, **QUICK)

        def consume() -> None:
            for wb in loop:
                list(wb)

        with gevent.Timeout(5), pytest.raises(lasa.SocketClosed, match=f"^{word}$"):
            consume()
        assert server.connections == 3


def test_a_connection_that_is_broken_at_once_raises_the_word_of_its_end() -> None:
    def script(wire: Wire) -> None:
        shake_hands(wire)
        wire.reset()

    with peer(script) as server:
        loop = websocket.client.reconnecting(url_of(server), max_attempts=1, **QUICK)
        list(next(loop))
        with pytest.raises(ConnectionResetError):
            next(loop)


def test_the_time_that_a_close_takes_makes_no_connection_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LASTED_S", 0.2)

    def script(wire: Wire) -> None:
        shake_hands(wire)
        wire.rest()

    with peer(script) as server:
        loop = websocket.client.reconnecting(url_of(server), max_attempts=1, close_timeout_s=0.3, **QUICK)
        next(loop)
        with pytest.raises(lasa.Error):
            next(loop)


def test_attempts_that_fail_and_connections_that_are_lost_are_logged_without_secrets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "lasa.websocket.client")
    with peer(answer_and_close(refusal(b"503 Busy")), say(code=1011), say("here")) as server:
        url = f"ws://user:secret@127.0.0.1:{server.port}/path?token=secret"
        with websocket.client.reconnecting(url, **QUICK) as loop:
            list(next(loop))
            next(loop)
    shown = f"ws://***@127.0.0.1:{server.port}/path"
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 2
    assert texts[0].startswith(
        f"no connection to {shown}: bad HTTP response status line: HTTP/1.1 503 Busy; connecting again in 0.0 s"
    )
    assert texts[1].startswith(f"lost {shown}: closed; connecting again in 0.0 s")


def test_a_loop_that_lost_one_that_lasted_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LASTED_S", 0.0)
    caplog.set_level(logging.INFO, "lasa.websocket.client")
    with peer(say(), say()) as server, websocket.client.reconnecting(url_of(server), **NEVER) as loop:
        list(next(loop))
        next(loop)
    assert [record.getMessage() for record in caplog.records] == [f"lost {url_of(server)}: closed; connecting again"]


def test_at_the_end_of_a_with_the_loop_is_stopped_and_its_connection_closed() -> None:
    with peer(stay) as server, nothing_left_open():
        with websocket.client.reconnecting(url_of(server), **QUICK) as connections:
            wb = next(connections)
        assert wb.closing == (1000, "", "us")
        assert not wb.is_open
        assert list(connections) == []
        failing = websocket.client.reconnecting(url_of(server), **QUICK)
        found: list[ClientWebSocket] = []

        def fail() -> None:
            with failing:
                found.append(next(failing))
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert found[0].closing == (1011, "", "us")
        with websocket.client.reconnecting(url_of(server), **QUICK) as connections:
            pass
        assert list(connections) == []


def test_options_are_renewed_before_each_attempt_and_what_that_raises_goes_through() -> None:
    tokens = iter(["one", "two"])
    seen: list[bytes] = []

    def script(wire: Wire) -> None:
        seen.extend(header_values(shake_hands(wire), b"X-Token"))

    with peer(script) as server:
        loop = websocket.client.reconnecting(
            url_of(server), renew=lambda: {"headers": {"X-Token": next(tokens)}}, headers={"X-Old": "1"}, **QUICK
        )
        list(next(loop))
        list(next(loop))

        def expire() -> dict[str, Any]:
            raise KeyError("no token")

        loop = websocket.client.reconnecting(url_of(server), renew=expire, **QUICK)
        with pytest.raises(KeyError, match="no token"):
            next(loop)
        assert (seen, server.connections) == ([b"one", b"two"], 2)


def test_a_connection_that_lasted_is_followed_by_the_next_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LASTED_S", 0.0)
    with peer(say("one"), say("two")) as server:
        loop = websocket.client.reconnecting(url_of(server), **NEVER)
        assert list(next(loop)) == ["one"]
        with gevent.Timeout(5):
            assert list(next(loop)) == ["two"]


@pytest.mark.parametrize("status", [b"400 Bad", b"401 Who", b"403 No", b"404 Nowhere", b"426 Upgrade"])
def test_a_server_that_says_no_ends_the_loop(status: bytes) -> None:
    with peer(answer_and_close(refusal(status))) as server:
        with pytest.raises(lasa.Error, match=status.decode()):
            next(websocket.client.reconnecting(url_of(server), **QUICK))
        assert server.connections == 1


def test_a_uri_that_is_none_ends_the_loop() -> None:
    loop = websocket.client.reconnecting("http://127.0.0.1/", **QUICK)
    with pytest.raises(lasa.Error, match=r"^bad websocket uri$"):
        next(loop)


def test_should_retry_decides_by_the_word_and_its_response() -> None:
    asked: list[Any] = []

    def should_retry(err: Any) -> bool:
        asked.append((str(err), err.response.code, err.response.body))
        return len(asked) < 3

    with peer(answer_and_close(refusal(b"404 Nowhere"))) as server:
        with pytest.raises(lasa.Error, match="404"):
            next(websocket.client.reconnecting(url_of(server), should_retry=should_retry, **QUICK))
        assert server.connections == 3
    assert asked == [("bad HTTP response status line: HTTP/1.1 404 Nowhere", 404, b"no")] * 3


# -- stop


def test_a_loop_that_is_stopped_before_it_begins_opens_nothing() -> None:
    with peer(stay) as server:
        loop = websocket.client.reconnecting(url_of(server), **QUICK)
        loop.stop()
        loop.stop()
        assert list(loop) == []
        assert server.connections == 0


def test_stop_wakes_a_loop_that_waits_for_its_next_attempt() -> None:
    port = free_port()
    loop = websocket.client.reconnecting(f"ws://127.0.0.1:{port}/", **NEVER)
    waiting = spawn_blocked(lambda: list(loop))
    while not loop._backoff.failures:
        settle()
    loop.stop()
    with gevent.Timeout(5):
        assert result_of(waiting) == ([],)


def test_stop_tells_the_current_connection_and_its_loop_ends() -> None:
    seen: list[Any] = []

    def consume(loop: Reconnecting[Any]) -> None:
        for wb in loop:
            seen.append(wb)
            list(wb)
            seen.append(wb.closing)

    with peer(stay) as server, nothing_left_open():
        loop = websocket.client.reconnecting(url_of(server), **QUICK)
        consuming = spawn_blocked(consume, loop)
        while not seen:
            settle()
        loop.stop()
        with gevent.Timeout(5):
            assert result_of(consuming) == (None,)
        assert seen[1] == (1001, "", "us")
        assert server.connections == 1


def test_a_connection_that_is_opened_while_the_loop_is_stopped_is_closed_again() -> None:
    loops: list[Reconnecting[Any]] = []

    def stopping(wire: Wire) -> None:
        loops[0].stop()
        stay(wire)

    with peer(stopping) as server:
        loops.append(websocket.client.reconnecting(url_of(server), **QUICK))
        with gevent.Timeout(5):
            assert list(loops[0]) == []
        assert server.connections == 1


@pytest.mark.parametrize("answer", [b"", refusal(b"503 Busy"), refusal(b"404 Nowhere")])
def test_stop_in_the_middle_of_an_attempt_that_fails_ends_the_loop_without_a_word(answer: bytes) -> None:
    loops: list[Reconnecting[Any]] = []

    def stopping(wire: Wire) -> None:
        wire.head()
        loops[0].stop()
        wire.send(answer)

    with peer(stopping) as server:
        loops.append(websocket.client.reconnecting(url_of(server), **NEVER))
        with gevent.Timeout(5):
            assert list(loops[0]) == []
        assert server.connections == 1


# -- interruptions


@pytest.mark.parametrize("ends", ["kill", "timeout"])
def test_an_attempt_that_is_cut_off_leaves_nothing_open_and_the_loop_can_go_on(ends: str) -> None:
    with peer(silent, say("here")) as server:
        loop = websocket.client.reconnecting(url_of(server), **QUICK)
        with nothing_left_open():

            def step() -> ClientWebSocket:
                with gevent.Timeout(0.05 if ends == "timeout" else None):
                    return next(loop)

            stepping = thread.spawn(step)
            while not server.wires:
                settle()
            if ends == "kill":
                assert thread.kill(stepping) == (1, None)
            else:
                assert isinstance(failure_of(stepping), gevent.Timeout)
            while server.wires[0].sock.fileno() >= 0:
                settle()
            server.wires.clear()
        assert list(next(loop)) == ["here"]


def test_a_gevent_timeout_between_two_attempts_is_no_end() -> None:
    port = free_port()
    loop = websocket.client.reconnecting(f"ws://127.0.0.1:{port}/", **NEVER)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.02):
        next(loop)
    with peer(say("here"), address=("127.0.0.1", port)):
        assert list(next(loop)) == ["here"]
    loop.stop()
