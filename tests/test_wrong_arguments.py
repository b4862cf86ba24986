"""What a wrong argument is told: in Python's words, whatever it is, and before anything has happened."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

import lasa
from lasa import coroutine, semaphore, socket, thread, timer
from tests.socket.tools import tcp_pair

WRONG: list[Any] = [None, True, -1, math.nan, "x", b"x", [], {}, ("127.0.0.1", 1), print, object(), gevent.Greenlet()]

# Of Lua, and of an argument that reached what it was not checked for.
FOREIGN = re.compile(
    r"\b(nil|lua|userdata|boolean|table)\b|not supported between|object is not|unhashable|has no attribute"
)

CALLS: dict[str, Callable[[Any], Any]] = {
    "spawn": thread.spawn,
    "wait": thread.wait,
    "kill": thread.kill,
    "status": thread.status,
    "create": coroutine.create,
    "resume": coroutine.resume,
    "wrap": coroutine.wrap,
    "at": lambda value: lasa.check(timer.at(value, int)),
    "at, callback": lambda value: lasa.check(timer.at(0, value)),
    "every": lambda value: lasa.check(timer.every(value, int)),
    "kill a timer": timer.kill,
    "set_limits": lambda value: timer.set_limits(max_pending=value),
    "semaphore": semaphore.new,
    "semaphore's wait": lambda value: semaphore.new(1)[0].wait(value),
    "post": lambda value: semaphore.new(1)[0].post(value),
    "channel": lasa.channel,
    "channel's send": lambda value: lasa.channel(1).send(1, value),
    "detach": lambda value: lasa.detach(value) if value is not None else None,
    "detach, content": lambda value: lasa.detach(content=value) if value not in ("x", b"x", print) else None,
    "detach, name": lambda value: lasa.detach(name=value),
    "to_thread": lasa.to_thread,
    "set_thread_limit": lasa.set_thread_limit,
    "sleep": lasa.sleep,
    "connect": lambda value: socket.connect(value, None),
    "connect, options": lambda value: socket.connect("127.0.0.1", None, value),
    "setpeername": lambda value: socket.udp().setpeername(value, 0),
    "sendto": lambda value: socket.udp().sendto(value, "", 0),
    "sendto, host": lambda value: socket.udp().sendto(b"", value, -1),
    "sendto, port": lambda value: socket.udp().sendto(b"", "", value),
    "udp receive": lambda value: socket.udp().receive(value),
    "setsockname": lambda value: socket.udp().setsockname(value, -1),
    "bind": lambda value: socket.tcp().bind(value, -1),
    "setkeepalive": lambda value: socket.tcp().setkeepalive(value),
    "setkeepalive, size": lambda value: socket.tcp().setkeepalive(0, value),
    "server_name": lambda value: socket.tcp().sslhandshake(None, value),
    "shutdown": lambda value: socket.tcp().shutdown(value),
    "receiveuntil": lambda value: socket.tcp().receiveuntil(value),
    "receiveuntil, options": lambda value: socket.tcp().receiveuntil("x", value),
    "md5": lasa.md5,
    "hmac_sha1": lambda value: lasa.hmac_sha1(value, value),
    "decode_base64": lasa.decode_base64,
    "log": lambda value: lasa.log(value, "tag", "text"),
    "check": lasa.check,
}

OF_A_CONNECTION: dict[str, Callable[[Any, Any], Any]] = {
    "send": lambda sock, value: sock.send(value),
    "receive": lambda sock, value: sock.receive(value),
    "receiveany": lambda sock, value: sock.receiveany(value),
    "a reader": lambda sock, value: sock.receiveuntil("x")(value),
    "setoption": lambda sock, value: sock.setoption("keepalive", value),
    "setoption, name": lambda sock, value: sock.setoption(value, 1),
    "getoption": lambda sock, value: sock.getoption(value),
    "settimeout": lambda sock, value: sock.settimeout(value),
}


@pytest.fixture
def sock() -> Iterator[Any]:
    with tcp_pair() as pair:
        pair.near.settimeout(1)
        yield pair.near


def complaints(call: Callable[[Any], Any]) -> list[str]:
    found = []
    for value in WRONG:
        try:
            call(value)
        except (TypeError, ValueError, RuntimeError) as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_argument_is_told_in_pythons_words(name: str) -> None:
    texts = complaints(CALLS[name])
    assert texts
    assert [text for text in texts if FOREIGN.search(text)] == []


@pytest.mark.parametrize("name", OF_A_CONNECTION)
def test_a_wrong_argument_of_a_connections_call_is_too_and_leaves_it_as_it_is(sock: Any, name: str) -> None:
    texts = complaints(lambda value: OF_A_CONNECTION[name](sock, value))
    assert [text for text in texts if FOREIGN.search(text)] == []
    assert sock.send(b"x") == (1, None)


@pytest.mark.parametrize(
    "call", [socket.connect, lambda address: socket.tcp().bind(address), lambda a: socket.udp().sendto(b"x", a)]
)
def test_an_address_that_is_one_tuple_is_told_how_to_write_it(call: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError) as caught:
        call(("127.0.0.1", 80))
    text = "bad address: host and port are two arguments, got one tuple: write *('127.0.0.1', 80)"
    assert str(caught.value) == text
