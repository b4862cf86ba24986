"""What belongs to one OS thread, used from another: an error that names the rule, and nothing is changed."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import lasa
from lasa import coroutine, http, socket, thread, timer, websocket
from lasa._hub import Scheduler, start_os_thread
from tests.http.tools import serving

RULE = r"belongs to the OS thread that made it; hand values over to it by a lasa\.channel\(\)"


def elsewhere(function: Callable[[], Any]) -> Any:
    """Call it in another OS thread, and return or raise what it does."""
    return lasa.to_thread(function)


@contextmanager
def pair() -> Iterator[tuple[Any, Any]]:
    """Two ends of a connection."""
    with socket.tcp() as listener:
        assert listener.bind("127.0.0.1", 0) == (True, None)
        listener.listen()
        ours = lasa.check(socket.connect(*listener.getsockname()))
        theirs = lasa.check(listener.accept())
        with ours, theirs:
            yield ours, theirs


USES: dict[str, Callable[[Any], Any]] = {
    "send": lambda sock: sock.send("x"),
    "send of nothing left to wait for": lambda sock: sock.send(["x", 1]),
    "receive": lambda sock: sock.receive(),
    "receive of a size": lambda sock: sock.receive(3),
    "receiveany": lambda sock: sock.receiveany(10),
    "receiveuntil": lambda sock: sock.receiveuntil("--")(),
    "iteration": lambda sock: next(iter(sock)),
    "peek": lambda sock: sock.peek(),
    "connect": lambda sock: sock.connect("127.0.0.1", 1),
    "sslhandshake": lambda sock: sock.sslhandshake(),
    "setkeepalive": lambda sock: sock.setkeepalive(),
    "shutdown": lambda sock: sock.shutdown("send"),
    "bind": lambda sock: sock.bind("127.0.0.1", 0),
    "accept": lambda sock: sock.accept(),
    "close": lambda sock: sock.close(),
    "abort": lambda sock: sock.abort(),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("is_waited_in", [False, True])
def test_a_socket_is_used_in_its_own_os_thread_alone(use: str, is_waited_in: bool) -> None:
    with pair() as (ours, theirs):
        reader = thread.spawn(ours.receive) if is_waited_in else None
        with pytest.raises(RuntimeError, match=RULE):
            elsewhere(lambda: USES[use](ours))
        theirs.send("hello\n")
        assert (thread.wait(reader)[1:] if reader is not None else ours.receive()) == (b"hello", None, None)
        assert ours.send("again\n") == (6, None)
        assert theirs.receive() == (b"again", None, None)


@pytest.mark.parametrize(
    "use",
    [
        lambda sock: sock.send("x"),
        lambda sock: sock.sendto("x", "127.0.0.1", 9),
        lambda sock: sock.receive(),
        lambda sock: sock.receivefrom(),
        lambda sock: sock.setpeername("127.0.0.1", 9),
        lambda sock: sock.close(),
    ],
)
def test_a_udp_socket_is_used_in_its_own_os_thread_alone(use: Callable[[Any], Any]) -> None:
    with socket.udp() as sock:
        assert sock.setsockname("127.0.0.1", 0) == (1, None)
        with pytest.raises(RuntimeError, match=RULE):
            elsewhere(lambda: use(sock))
        assert sock.sendto("x", *sock.getsockname()) == (1, None)
        assert sock.receive() == (b"x", None)


def test_a_timer_is_killed_in_its_own_os_thread_alone(fresh_calendar: timer.Calendar) -> None:
    pending, _ = timer.at(100, print)
    assert pending is not None
    with pytest.raises(RuntimeError, match=RULE):
        elsewhere(lambda: timer.kill(pending))
    assert timer.pending_count() == 1
    timer.kill(pending)


@pytest.mark.parametrize("is_begun", [False, True])
def test_a_coroutine_is_resumed_in_its_own_os_thread_alone(is_begun: bool) -> None:
    made = coroutine.create(lambda: coroutine.yield_(1))
    if is_begun:
        assert coroutine.resume(made) == (True, 1)
    with pytest.raises(RuntimeError, match=RULE):
        elsewhere(lambda: coroutine.resume(made))
    assert coroutine.status(made) == "suspended"
    assert coroutine.resume(made)[0]


def test_an_http_client_may_be_shared_and_each_os_thread_has_connections_of_its_own() -> None:
    with serving(lambda request: str(request.peer[1])) as server:
        client, _ = http.client.new()

        def peer() -> str:
            return str(client.get(server.url)[1].body)

        ours = {peer() for _ in range(3)}
        theirs = {elsewhere(peer)}
        assert (len(ours), ours & theirs) == (1, set())


def test_an_http_answer_is_read_in_its_own_os_thread_alone_and_closed_from_any() -> None:
    def pieces(request: Any) -> Iterator[bytes]:
        yield b"first"
        lasa.sleep(0.02)
        yield b"second"

    with serving(pieces) as server:
        client, _ = http.client.new()
        response: Any = client.get(server.url, stream=True)[1]
        with pytest.raises(RuntimeError, match=RULE):
            elsewhere(lambda: next(response.pieces()))
        assert response.read() == b"firstsecond"
        cut: Any = client.get(server.url, stream=True)[1]
        elsewhere(client.close)
        lasa.sleep(0.01)
        with pytest.raises(lasa.SocketClosed):
            cut.read()


def test_a_server_is_run_and_stopped_in_its_own_os_thread_alone() -> None:
    is_told: list[bool] = []

    def handler(request: Any) -> str:
        while not is_told:
            lasa.sleep(0.001)
        return "served"

    with serving(handler) as server:
        asking = thread.spawn(lambda: http.client.new()[0].get(server.url)[1].body)
        while not server.connections:
            lasa.sleep(0.001)
        with pytest.raises(RuntimeError, match="a server " + RULE):
            elsewhere(lambda: server.stop(2))
        assert not server.is_stopping
        is_told.append(True)
        assert thread.wait(asking) == (True, b"served")
    idle = lasa.check(http.server.new("127.0.0.1:0"))
    with pytest.raises(RuntimeError, match="a server " + RULE):
        elsewhere(lambda: idle.run(handler))
    idle.stop(0)


def test_what_connects_again_and_again_does_so_in_its_own_os_thread_alone() -> None:
    again = websocket.client.reconnecting("ws://127.0.0.1:1/", min_delay_s=10, max_delay_s=10, proxy=False)
    with pytest.raises(RuntimeError, match=RULE):
        elsewhere(lambda: list(again))


def test_a_request_is_answered_in_its_own_os_thread_alone() -> None:
    def handler(request: Any) -> str:
        with pytest.raises(RuntimeError, match=RULE):
            elsewhere(lambda: request.respond(200))
        with pytest.raises(RuntimeError, match=RULE):
            elsewhere(request.read)
        return str(len(request.read()))

    with serving(handler) as server:
        assert http.client.new()[0].post(server.url, body=b"x" * 100_000)[1].body == b"100000"


@pytest.mark.parametrize(
    "use",
    [
        lambda ws: ws.send("x"),
        lambda ws: ws.send(iter(["x", "y"])),
        lambda ws: ws.receive(),
        lambda ws: ws.send_ping(),
        lambda ws: ws.recv_frame(),
        lambda ws: ws.close(),
        lambda ws: ws.abort(),
    ],
)
def test_a_websocket_is_used_in_its_own_os_thread_alone(use: Callable[[Any], Any]) -> None:
    def echo(request: Any) -> None:
        with lasa.check(request.websocket()) as theirs:
            for message in theirs:
                theirs.send(message)

    with serving(echo) as server, lasa.check(websocket.client.connect(server.url.replace("http", "ws"))) as ws:
        with pytest.raises(RuntimeError, match=RULE):
            elsewhere(lambda: use(ws))
        assert ws.send("hello")[1] is None
        assert ws.receive() == ("hello", None)


class Holder:
    """Somebody who holds something, in a cycle."""

    def __init__(self) -> None:
        self.me = self
        self.held: Any = None


def leave_open(address: tuple[str, int]) -> None:
    holder = Holder()
    holder.held = lasa.check(socket.connect(*address))


def leave_idle(address: tuple[str, int]) -> None:
    assert lasa.check(socket.connect(*address)).setkeepalive() == (1, None)


def leave_light_threads(address: tuple[str, int]) -> None:
    holder = Holder()
    holder.held = lasa.check(socket.connect(*address))
    thread.spawn(holder.held.receive)
    thread.spawn(lasa.semaphore.new()[0].wait, 100)
    thread.spawn(lasa.channel(1).receive)


def leave_timers(address: tuple[str, int]) -> None:
    timer.at(100, print, Holder())


def leave_coroutine(address: tuple[str, int]) -> None:
    holder = Holder()
    holder.held = coroutine.create(lambda: coroutine.yield_(holder))
    assert coroutine.resume(holder.held)[0]


def leave_lua(address: tuple[str, int]) -> None:
    from lasa.lua import Runtime

    holder = Holder()
    holder.held = Runtime()
    call = holder.held.load(
        "local port = ... local s = ngx.socket.tcp() s:connect('127.0.0.1', port) kept = s return 1"
    )
    assert call(address[1]) == 1


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    "leave", [leave_open, leave_idle, leave_light_threads, leave_timers, leave_coroutine, leave_lua]
)
def test_an_os_thread_that_ends_leaves_nothing_behind(leave: Callable[[tuple[str, int]], None]) -> None:
    def hubs_and_descriptors() -> tuple[int, int]:
        gc.collect()
        gc.collect()
        hubs = sum(type(each) is Scheduler for each in gc.get_objects())
        return hubs, len(os.listdir("/proc/self/fd"))

    def run_one() -> None:
        # A thread of the system's also after patching; Python has dropped what it had of its own once it is gone.
        known = set(os.listdir("/proc/self/task"))
        start_os_thread(lambda: leave(address), "leaves")
        while set(os.listdir("/proc/self/task")) - known:
            lasa.sleep(0.001)

    with socket.tcp() as listener:
        assert listener.bind("127.0.0.1", 0) == (True, None)
        listener.listen()
        address = listener.getsockname()
        run_one()
        before = hubs_and_descriptors()
        for _ in range(3):
            run_one()
        assert hubs_and_descriptors() == before
