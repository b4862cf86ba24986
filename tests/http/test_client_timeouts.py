"""How long a request may take: all of it, and each wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest
from gevent.event import Event

import lasa
from lasa import _hub, thread
from lasa.http.client import Client
from tests.conftest import Certificates
from tests.helpers import settle
from tests.http.client_tools import (
    OK,
    Wire,
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
from tests.socket.tools import result_of, silent_listener, spawn_blocked

SHORT_S = 0.03
LONG_S = 5.0


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    with clean():
        yield


class SilentResolver:
    """Never answers."""

    def getaddrinfo(self, *_: Any) -> Any:
        Event().wait()


@contextmanager
def silent_resolver() -> Iterator[None]:
    hub: Any = _hub.scheduler().gevent_hub
    real, hub.resolver = hub.resolver, SilentResolver()
    try:
        yield
    finally:
        hub.resolver = real


def half(wire: Wire) -> None:
    """Half a body."""
    wire.request()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    wire.rest()


def half_a_head(wire: Wire) -> None:
    wire.request()
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Le")
    wire.rest()


@contextmanager
def place(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A URL, and options for it, where a request waits for ever in one kind of wait."""
    if kind == "look-up":
        with silent_resolver():
            yield "http://some.name/", {}
    elif kind == "connect":
        with silent_listener() as (ip, port):
            yield f"http://{ip}:{port}/", {}
    elif kind == "pool":
        with peer(silent) as server:
            holder = spawn_blocked(lambda: new_client(pool_size=1).request(url=server.url))
            yield server.url, {"pool_size": 1}
            thread.kill(holder)
            settle()
    else:
        scenes: dict[str, tuple[Callable[[Wire], Any], dict[str, Any]]] = {
            "tls": (silent, {}),
            "tls in proxy": (silent, {}),
            "tunnel": (silent, {}),
            "send": (asleep, {"body": b"x" * 20_000_000}),
            "send pieces": (asleep, {"body": iter([b"x" * 100_000] * 200)}),
            "head": (silent, {}),
            "half a head": (half_a_head, {}),
            "body": (half, {}),
        }
        script, options = scenes[kind]
        with peer(script) as server:
            if kind == "tls":
                yield f"https://127.0.0.1:{server.port}/", options
            elif kind == "tls in proxy":
                yield "https://some.name/", {"proxy": f"https://127.0.0.1:{server.port}"}
            elif kind == "tunnel":
                yield "https://some.name/", {"proxy": server.url}
            else:
                yield server.url, options


KINDS = {
    "look-up": "connect",
    "connect": "connect",
    "pool": "pool",
    "tls": "tls",
    "tls in proxy": "tls",
    "tunnel": "read",
    "send": "send",
    "send pieces": "send",
    "head": "read",
    "half a head": "read",
    "body": "read",
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_timeout_of_the_whole_request_bounds_each_of_its_waits(kind: str) -> None:
    with place(kind) as (url, options):
        began_s = time.monotonic()
        assert error_of(url, timeout=SHORT_S, **options).endswith("timeout") or kind == "look-up"
        assert SHORT_S * 0.9 <= time.monotonic() - began_s < LONG_S / 2
        if kind != "pool":
            assert in_use() == {}


@pytest.mark.parametrize("kind", KINDS)
def test_each_wait_has_a_timeout_of_its_own(kind: str) -> None:
    options: dict[str, Any] = dict.fromkeys(("connect", "tls", "send", "read", "pool"), LONG_S)
    options[KINDS[kind]] = SHORT_S
    with place(kind) as (url, more):
        began_s = time.monotonic()
        err = error_of(url, **{**options, **more})
        assert err == "timeout" or (kind == "look-up" and "could not be resolved" in err)
        assert SHORT_S * 0.9 <= time.monotonic() - began_s < LONG_S / 2


@pytest.mark.parametrize("kind", ["connect", "pool", "tls", "tunnel", "send", "head", "body"])
def test_a_client_may_have_timeouts_for_all_its_requests(kind: str) -> None:
    with place(kind) as (url, options):
        hc = new_client(timeout=SHORT_S)
        assert error_of(url, hc=hc, **options) == "timeout"


def test_the_word_for_a_look_up_that_takes_too_long() -> None:
    with silent_resolver():
        for options in ({"timeout": SHORT_S}, {"connect": SHORT_S}):
            assert error_of("http://some.name/", **options) == (
                "some.name could not be resolved (110: Operation timed out)"
            )


def test_the_timeout_bounds_a_body_that_never_stops_coming() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            wire.send(b"1\r\nx\r\n")
            gevent.sleep(0.002)

    with peer(script) as server:
        for stream in (False, True):
            began_s = time.monotonic()
            _, _, reader = new_client().request(url=server.url, timeout=0.05, stream=stream)
            body, err = read_pieces(reader)
            assert err == "timeout"
            assert body
            assert time.monotonic() - began_s < LONG_S / 2


def test_the_timeout_bounds_an_upload_that_is_taken_slowly() -> None:
    def script(wire: Wire) -> None:
        while wire.sock.recv(1000):
            gevent.sleep(0.002)

    with peer(script) as server:
        for body in (b"x" * 20_000_000, iter([b"x" * 100_000] * 200)):
            assert error_of(server.url, timeout=0.05, body=body) == "timeout"


def test_the_timeout_runs_while_the_caller_dawdles_over_a_stream() -> None:
    with peer(half) as server:
        _, response, reader = new_client().request(url=server.url, stream=True, timeout=SHORT_S)
        assert reader().body == b"hello"
        with gevent.Timeout(LONG_S):
            while in_use():
                gevent.sleep(0.002)  # the request's time is over, and its connection is closed, whoever looks
        piece = reader()
        assert (piece.body, piece.err) == (None, "timeout")
        with pytest.raises(lasa.Error, match="timeout"):
            list(response.pieces())


def test_what_has_come_before_the_timeout_can_be_read_after_it_or_is_reported() -> None:
    with peer(answering(chunked(b"x" * 10, b"y" * 10))) as server:
        _, _, reader = new_client().request(url=server.url, timeout=SHORT_S)
        gevent.sleep(SHORT_S * 1.5)
        body, err = read_pieces(reader)
        assert (err, len(body)) in ((None, 20), ("timeout", 0), ("timeout", 10), ("timeout", 20))


def test_the_timeout_of_a_body_producer_that_dawdles_is_noticed() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"one"
        gevent.sleep(SHORT_S * 2)
        yield b"two"

    with peer(silent) as server:
        assert error_of(server.url, body=pieces(), timeout=SHORT_S) == "timeout"


def test_a_request_that_is_in_time_leaves_no_alarm_behind() -> None:
    with peer(answering(OK)) as server:
        hc = new_client(timeout=SHORT_S)
        assert get(server.url, hc=hc).body == b"ok"
        gevent.sleep(SHORT_S * 2)
        assert idle_connections() == 1
        assert get(server.url, hc=hc).body == b"ok"
        assert server.connections == 1


def test_the_next_request_on_a_connection_has_its_own_time() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(OK)
        wire.request()
        gevent.sleep(SHORT_S * 2)
        wire.send(OK)
        wire.rest()

    with peer(script) as server:
        get(server.url, timeout=SHORT_S, read=SHORT_S)
        assert get(server.url, timeout=LONG_S).body == b"ok"
        assert server.connections == 1


def test_a_whole_timeout_longer_than_the_waits_does_not_end_with_the_first_of_them() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
        for _ in range(20):
            gevent.sleep(0.01)
            wire.send(b"x")

    with peer(script) as server:
        assert get(server.url, timeout=LONG_S, read=0.1).body == b"x" * 20  # 0.2 s in all


def test_one_wait_within_the_whole_timeout_has_its_own_bound() -> None:
    with peer(half) as server:
        began_s = time.monotonic()
        err = error_of(server.url, timeout=LONG_S, read=SHORT_S)
        assert (err, err.partial) == ("timeout", b"hello")
        assert time.monotonic() - began_s < LONG_S / 2


def test_the_timeout_bounds_all_redirects_together() -> None:
    def script(wire: Wire) -> None:
        while wire.request()[0]:
            gevent.sleep(0.01)
            wire.send(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n")

    with peer(script) as server:
        began_s = time.monotonic()
        assert error_of(server.url, timeout=0.05, follow_redirects=1000) == "timeout"
        assert time.monotonic() - began_s < LONG_S / 2


def test_the_timeout_bounds_all_tries_together() -> None:
    bad = sized(b"", status=b"503 No")
    with peer(answering(bad)) as server:
        began_s = time.monotonic()
        retries = {"attempts": 1000, "backoff_s": 0.01, "jitter": 0}
        ok, result, _ = new_client().request(url=server.url, timeout=0.1, retries=retries)
        assert (ok, result.code) == (True, 503)
        assert time.monotonic() - began_s < LONG_S / 2


def test_a_handshake_that_is_begun_and_not_finished_ends_in_time(certificates: Certificates) -> None:
    def script(wire: Wire) -> None:
        wire.exactly(100)
        wire.send(b"\x16\x03\x03\x40\x00\x02")
        wire.rest()

    with peer(script) as server:
        for options in ({"timeout": SHORT_S}, {"tls": SHORT_S}):
            assert error_of(f"https://127.0.0.1:{server.port}/", **options) == "timeout"


def test_many_requests_time_out_together() -> None:
    with peer(silent) as server:
        hc = new_client(timeout=0.05)
        asking = [thread.spawn(hc.request, {"url": server.url}) for _ in range(50)]
        assert [result_of(one)[1] for one in asking] == ["timeout"] * 50


@pytest.mark.parametrize("kind", ["head", "body", "send"])
def test_a_stream_over_tls_ends_in_time_too(kind: str, certificates: Certificates) -> None:
    scripts: dict[str, Callable[[Wire], Any]] = {"head": silent, "body": half, "send": asleep}
    hc: Client = new_client(ssl_ca=certificates.ca, timeout=0.1)
    with peer(scripts[kind], tls=tls_context(certificates.issue("localhost"))) as server:
        url = f"https://localhost:{server.port}/"
        assert error_of(url, hc=hc, body=b"x" * 20_000_000 if kind == "send" else None) == "timeout"
