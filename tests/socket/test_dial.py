"""A name with several addresses: all are tried, in time, and nothing stays open (RFC 8305)."""

from __future__ import annotations

import _socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import gevent
import pytest

from lasa import _hub, socket, thread
from tests.helpers import nothing_left_open
from tests.socket.tools import (
    SHORT_MS,
    accept_while,
    connected,
    free_address,
    listening,
    port_free_at,
    result_of,
    silent_listener,
    spawn_blocked,
)

V4, V6 = (_socket.AF_INET, "127.0.0.1"), (_socket.AF_INET6, "::1")
OTHERS = [(_socket.AF_INET, f"127.0.0.{last}") for last in range(2, 6)]


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    with nothing_left_open():
        yield


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What each name resolves to; an exception is raised."""
    known: dict[str, Any] = {}

    def resolve(name: str, timeout_s: float) -> list[tuple[int, str]]:
        found = known[name]
        if isinstance(found, Exception):
            raise found
        return list(found)

    monkeypatch.setattr(_hub, "resolve", resolve)
    return known


@pytest.mark.parametrize("addresses", [[V6, V4], [V4, V6], [V4], [*OTHERS, V4], [V6, *OTHERS, V4]])
def test_the_one_address_that_listens_is_found(names: dict[str, Any], addresses: Any) -> None:
    names["name"] = addresses
    with listening() as listener:
        port = listener.getsockname()[1]
        started_s = time.monotonic()
        near, far = accept_while(listener, lambda: connected("name", port))
        assert time.monotonic() - started_s < 0.2  # a refusal starts the next at once
        assert near.getpeername() == ("127.0.0.1", port)
        near.close()
        far.close()


def test_a_silent_first_address_delays_by_a_quarter_of_a_second(names: dict[str, Any]) -> None:
    port = port_free_at("::1", "127.0.0.1")
    names["name"] = [V6, V4]
    with silent_listener("::1", port), listening("127.0.0.1", port) as listener:
        started_s = time.monotonic()
        near, far = accept_while(listener, lambda: connected("name", port))
        assert 0.2 < time.monotonic() - started_s < 0.6
        near.close()
        far.close()


def test_the_first_address_is_preferred_when_both_listen(names: dict[str, Any]) -> None:
    names["name"] = [V6, V4]
    port = port_free_at("::1", "127.0.0.1")
    with listening("::1", port) as listener, listening("127.0.0.1", port) as other:
        other.listen()
        near, far = accept_while(listener, lambda: connected("name", port))
        assert near.getpeername()[0] == "::1"
        near.close()
        far.close()


def test_a_slow_first_address_may_still_win_after_the_second_began(names: dict[str, Any]) -> None:
    names["name"] = [V4, *OTHERS[:1]]
    port = port_free_at("127.0.0.1", "127.0.0.2")
    with silent_listener("127.0.0.2", port), listening("127.0.0.1", port) as listener:
        near, far = accept_while(listener, lambda: connected("name", port))
        assert near.getpeername()[0] == "127.0.0.1"
        near.close()
        far.close()


def test_the_last_error_is_returned_when_all_refuse(names: dict[str, Any]) -> None:
    names["name"] = [V6, V4]
    assert socket.connect("name", free_address()[1]) == (None, "connection refused")
    names["name"] = [V4, (_socket.AF_INET, "255.255.255.255")]
    _, err = socket.connect("name", free_address()[1])
    assert err in ("network is unreachable", "permission denied")


def test_all_the_addresses_share_one_connect_timeout(names: dict[str, Any]) -> None:
    with ExitStack() as stack:
        port = port_free_at(*(ip for _, ip in OTHERS))
        for _, ip in OTHERS:
            stack.enter_context(silent_listener(ip, port))
        names["name"] = OTHERS
        sock = socket.tcp()
        sock.settimeout(300)
        started_s = time.monotonic()
        assert sock.connect("name", port) == (None, "timeout")
        assert 0.25 < time.monotonic() - started_s < 0.5


def test_the_race_ends_with_its_light_thread(names: dict[str, Any]) -> None:
    port = port_free_at("::1", "127.0.0.1")
    with silent_listener("::1", port), silent_listener("127.0.0.1", port):
        names["name"] = [V6, V4]
        sock = socket.tcp()
        connecting = spawn_blocked(sock.connect, "name", port)
        gevent.sleep(0.3)  # both are under way
        assert thread.kill(connecting) == (1, None)
        assert sock.close() == (None, "closed")


def test_only_addresses_of_the_bound_family_are_tried(names: dict[str, Any]) -> None:
    names["name"], names["six"] = [V6, V4], [V6]
    with listening() as listener:
        port = listener.getsockname()[1]
        sock = socket.tcp()
        assert sock.bind("127.0.0.4") == (True, None)
        accepting = thread.spawn(listener.accept)
        assert sock.connect("name", port) == (1, None)
        (far, _) = result_of(accepting)
        assert far.getpeername()[0] == "127.0.0.4"
        far.close()
        assert sock.connect("six", port) == (None, "cannot assign requested address")


@pytest.mark.parametrize("reason", ["3: Host not found", "2: Server failure", "110: Operation timed out"])
def test_a_name_that_cannot_be_resolved_says_why(names: dict[str, Any], reason: str) -> None:
    names["name"] = _hub.ResolveError(reason)
    assert socket.connect("name", 80) == (None, f"name could not be resolved ({reason})")
    assert socket.udp().setpeername("name", 80) == (None, f"name could not be resolved ({reason})")


def test_udp_takes_the_first_address_that_can_be_a_peer(names: dict[str, Any]) -> None:
    names["name"] = [V6, V4]
    with socket.udp() as sock:
        assert sock.setsockname("127.0.0.1", 0) == (1, None)
        assert sock.setpeername("name", 9) == (1, None)


# The look-up itself


class Resolver:
    """Stands in for gevent's."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def getaddrinfo(self, *_: Any) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        if self._answer is None:
            gevent.sleep(60)
        return self._answer


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_answer(value: Any) -> None:
        monkeypatch.setattr(_hub.scheduler().gevent_hub, "resolver", Resolver(value))

    return set_answer


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (_socket.gaierror(_socket.EAI_NONAME, "x"), "3: Host not found"),
        (_socket.gaierror(_socket.EAI_NODATA, "x"), "3: Host not found"),
        (_socket.gaierror(_socket.EAI_AGAIN, "x"), "2: Server failure"),
        (_socket.gaierror(_socket.EAI_FAIL, "x"), "2: Server failure"),
        (UnicodeError("label too long"), "3: Host not found"),
        ([], "3: Host not found"),
    ],
)
def test_the_resolvers_failures_have_nginxs_numbers(answer: Any, failure: Any, reason: str) -> None:
    answer(failure)
    assert socket.connect("name", 80) == (None, f"name could not be resolved ({reason})")


def test_a_resolver_that_is_silent_times_out_with_the_connect(answer: Any) -> None:
    answer(None)
    sock = socket.tcp()
    sock.settimeout(SHORT_MS)
    assert sock.connect("name", 80) == (None, "name could not be resolved (110: Operation timed out)")
    assert sock.close() == (None, "closed")


def test_while_a_name_is_looked_up_the_socket_is_busy_and_has_no_reuse_count(answer: Any) -> None:
    answer(None)
    sock = socket.tcp()
    sock.settimeout(SHORT_MS)
    connecting = spawn_blocked(sock.connect, "name", 80)
    assert sock.receive()[1] in ("socket busy connecting", "closed")
    assert sock.send(b"x")[1] in ("socket busy connecting", "closed")
    assert sock.connect("name", 80) == (None, "socket busy connecting")
    assert sock.getreusedtimes() == (None, "closed")
    assert result_of(connecting)[0] is None


def test_a_name_that_is_no_name_at_all_is_not_found() -> None:
    for name in ("x" * 64 + ".invalid", "a..b", "ż" * 300):
        _, err = socket.connect(name, 80)
        assert err is not None
        assert err.startswith(f"{name} could not be resolved (")
