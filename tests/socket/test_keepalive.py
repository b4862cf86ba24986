"""setkeepalive(), the pools and the queue of those who wait for a connection."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import gevent
import pytest
from gevent import monkey

import lasa
from lasa import socket, thread
from lasa._stream.connection import pools
from lasa.socket import TcpSocket
from tests.helpers import Peer, nothing_left_open, raw_listener, settle, wait_for_bytes
from tests.socket.tools import SHORT_MS, failure_of, free_address, result_of, silent_listener, spawn_blocked


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    with nothing_left_open():
        yield
        close_all_idle()
    assert pools()._by_name == {}


def close_all_idle() -> None:
    for pool in list(pools()._by_name.values()):
        for idle in list(pool.idle):
            pool.drop(idle)


class Upstream:
    """A raw listener, and the peers of the connections that were made to it."""

    def __init__(self, listener: Any) -> None:
        self._listener = listener
        self.address = listener.getsockname()
        self.peers: list[Peer] = []

    def connect(self, sock: TcpSocket | None = None, **options: Any) -> TcpSocket:
        sock = sock or socket.tcp()
        assert sock.connect(*self.address, **options) == (1, None)
        if sock.getreusedtimes() == (0, None):
            self.accept()
        return sock

    def accept(self) -> Peer:
        self.peers.append(Peer(self._listener.accept()[0]))
        return self.peers[-1]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with raw_listener() as listener:
        found = Upstream(listener)
        yield found
        for peer in found.peers:
            peer.close()
        settle()  # whatever still rests in a pool sees the end


def keep(sock: TcpSocket, *arguments: Any) -> None:
    assert sock.setkeepalive(*arguments) == (1, None)


# Parking and taking


def test_a_parked_connection_is_taken_by_the_next_connect_of_that_name(upstream: Upstream) -> None:
    sock = upstream.connect()
    name = sock.getsockname()
    for times in (1, 2, 3):
        keep(sock)
        assert sock.send(b"x") == sock.close() == sock.setkeepalive() == sock.getreusedtimes() == (None, "closed")
        sock = upstream.connect()
        assert sock.getreusedtimes() == (times, None)
    assert sock.getsockname() == name
    assert sock.send(b"hello") == (5, None)
    assert upstream.peers[0].recv_exactly(5) == b"hello"
    assert sock.close() == (1, None)


def test_the_most_recently_parked_connection_is_taken_first(upstream: Upstream) -> None:
    socks = [upstream.connect() for _ in range(3)]
    names = [sock.getsockname() for sock in socks]
    for sock in socks:
        keep(sock)
    taken = [upstream.connect() for _ in range(3)]
    assert [sock.getsockname() for sock in taken] == names[::-1]
    for sock in taken:
        assert sock.close() == (1, None)


def test_a_full_pool_closes_the_one_parked_longest(upstream: Upstream) -> None:
    first, second = upstream.connect(pool_size=1), upstream.connect(pool_size=1)
    keep(first)
    keep(second)
    assert upstream.peers[0].recv_until_closed() == b""
    socks = [upstream.connect(), upstream.connect()]
    assert [sock.getreusedtimes() for sock in socks] == [(1, None), (0, None)]
    for sock in socks:
        assert sock.close() == (1, None)


def test_a_pool_keeps_its_first_size_and_a_timeout_of_zero_is_for_ever(upstream: Upstream) -> None:
    socks = [upstream.connect(pool_size=1), upstream.connect(pool_size=20)]
    for sock in socks:
        keep(sock, 0, 20)
    (pool,) = pools()._by_name.values()
    assert pool.size == len(pool.idle) == 1
    assert pool.idle[0].expires_at_s == float("inf")


def test_setkeepalive_makes_a_pool_of_its_size_if_there_is_none(upstream: Upstream) -> None:
    socks = [upstream.connect() for _ in range(3)]
    for sock in socks:
        keep(sock, 60_000, 2)
    (pool,) = pools()._by_name.values()
    assert pool.size == len(pool.idle) == 2


def test_a_forgotten_pool_may_get_a_new_size(upstream: Upstream) -> None:
    assert upstream.connect(pool_size=1).close() == (1, None)
    assert pools()._by_name == {}
    sock = upstream.connect(pool_size=7)
    (pool,) = pools()._by_name.values()
    assert pool.size == 7
    assert sock.close() == (1, None)


def test_the_name_is_as_typed_and_a_custom_one_joins_addresses(upstream: Upstream) -> None:
    port = upstream.address[1]
    sock = upstream.connect()
    keep(sock)
    assert list(pools()._by_name) == [f"127.0.0.1:{port}"]
    other = socket.tcp()
    assert other.connect("localhost", port) == (1, None)
    assert other.getreusedtimes() == (0, None)
    upstream.accept()
    assert other.close() == (1, None)
    custom = upstream.connect(pool=7)
    keep(custom)
    elsewhere = socket.tcp()
    assert elsewhere.connect("no-such-name.invalid", 1, {"pool": "7"}) == (1, None)  # a hit needs no look-up
    assert elsewhere.getreusedtimes() == (1, None)
    assert elsewhere.close() == (1, None)


def test_a_connection_parked_by_one_socket_has_the_timeouts_of_the_next(upstream: Upstream) -> None:
    sock = upstream.connect()
    sock.settimeout(1)
    keep(sock)
    sock = upstream.connect()
    assert sock._read_s == 30
    assert sock.close() == (1, None)


# Refusals


def test_unread_data_in_the_buffer_refuses_and_keeps_the_connection(upstream: Upstream) -> None:
    sock = upstream.connect()
    upstream.peers[0].sendall(b"OK\r\n")
    assert sock.receive(1) == (b"O", None, None)
    assert sock.setkeepalive() == (None, "unread data in buffer")
    assert sock.receive() == (b"K", None, None)
    keep(sock)


@pytest.mark.parametrize("read", [1, 0])
def test_the_end_of_the_peer_is_told_before_what_is_unread(upstream: Upstream, read: int) -> None:
    sock = upstream.connect()
    upstream.peers[0].sendall(b"OK\r\n")
    upstream.peers[0].finish()
    wait_for_bytes(sock)
    sock.receive(read)
    poll = monkey.get_original("select", "poll")()
    poll.register(sock, select.POLLRDHUP)
    assert poll.poll(5000)
    assert sock.setkeepalive() == (None, "closed")
    if read:  # what is unread can still be had
        assert sock.receive() == (b"K", None, None)
    sock.abort()


def test_unread_data_in_the_kernel_refuses_and_closes_the_connection(upstream: Upstream) -> None:
    sock = upstream.connect()
    upstream.peers[0].sendall(b"late")
    wait_for_bytes(sock)
    assert sock.setkeepalive() == (None, "connection in dubious state")
    assert sock.close() == (None, "closed")


def test_a_peer_that_has_closed_refuses(upstream: Upstream) -> None:
    for end in (Peer.close, Peer.reset):
        sock = upstream.connect()
        end(upstream.peers[-1])
        wait_for_bytes(sock)
        ok, err = sock.setkeepalive()
        assert ok is None
        assert err in ("closed", "connection reset by peer")
        assert sock.close() == (None, "closed")


def test_half_a_connection_is_not_kept_and_stays_open(upstream: Upstream) -> None:
    sock = upstream.connect()
    assert sock.shutdown("send") == (1, None)
    assert sock.setkeepalive() == (None, "closed")
    assert sock.close() == (1, None)


# A read that has failed


class Answer(NamedTuple):
    """What a peer sends late, and the read that does not wait for it."""

    before: bytes
    read: Callable[[TcpSocket], tuple[Any, ...]]
    partial: bytes | None
    late: bytes


LATE = {
    "a line": Answer(b"", lambda sock: sock.receive(), b"", b"late\n"),
    "the end of a line": Answer(b"half", lambda sock: sock.receive(), b"half", b" late\n"),
    "a size": Answer(b"1234", lambda sock: sock.receive(10), b"1234", b"567890"),
    "anything": Answer(b"", lambda sock: sock.receiveany(10), b"", b"late"),
    "a section": Answer(b"12", lambda sock: sock.receiveuntil("--")(), b"12", b"34--"),
    "a part of a section": Answer(b"", lambda sock: sock.receiveuntil("--")(4), b"", b"34--"),
    "everything": Answer(b"12", lambda sock: sock.receive("*a"), b"12", b"34"),
}


@pytest.mark.parametrize("kind", LATE)
def test_an_answer_that_is_still_to_come_is_not_the_next_users(upstream: Upstream, kind: str) -> None:
    answer = LATE[kind]
    sock = upstream.connect()
    sock.settimeout(SHORT_MS)
    peer = upstream.peers[0]
    peer.sendall(answer.before)
    assert answer.read(sock) == (None, "timeout", answer.partial)
    assert sock.setkeepalive() == (None, "connection in dubious state")
    assert sock.close() == (None, "closed")
    assert pools()._by_name == {}
    assert peer.recv_until_closed() == b""


@pytest.mark.parametrize("kind", LATE)
def test_once_it_has_come_and_was_read_the_connection_is_kept(upstream: Upstream, kind: str) -> None:
    answer = LATE[kind]
    sock = upstream.connect()
    sock.settimeout(SHORT_MS)
    peer = upstream.peers[0]
    peer.sendall(answer.before)
    assert answer.read(sock)[0] is None
    peer.sendall(answer.late)
    while sock.peek():
        assert sock.receive(1)[1] is None
    keep(sock)


@pytest.mark.parametrize("has_partial", [False, True])
def test_a_read_that_gevent_timeout_has_cut_off_counts_as_one_that_has_failed(
    upstream: Upstream, has_partial: bool
) -> None:
    sock = upstream.connect()
    if has_partial:
        upstream.peers[0].sendall(b"half")
    with pytest.raises(gevent.Timeout), gevent.Timeout(SHORT_MS / 1000):
        sock.receive()
    if has_partial:
        assert sock.setkeepalive() == (None, "unread data in buffer")
        assert sock.receive(4) == (b"half", None, None)
    assert sock.setkeepalive() == (None, "connection in dubious state")
    assert sock.close() == (None, "closed")


def test_what_is_left_behind_a_limit_is_to_be_read(upstream: Upstream) -> None:
    sock = upstream.connect()
    upstream.peers[0].sendall(b"1234\n")
    assert sock.receive("*l", max_line=2) == (None, "line too long", b"12")
    assert sock.setkeepalive() == (None, "unread data in buffer")
    assert sock.receive() == (b"34", None, None)
    keep(sock)


def test_a_new_connection_of_the_same_socket_is_not_dubious(upstream: Upstream) -> None:
    sock = upstream.connect()
    sock.settimeout(1)
    assert sock.receive() == (None, "timeout", b"")
    keep(upstream.connect(sock))
    assert len(upstream.peers) == 2


# While parked


def act(peer: Peer, event: str) -> None:
    if event == "data":
        peer.sendall(b"x")
    elif event == "reset":
        peer.reset()
    else:
        peer.close()


@pytest.mark.parametrize("event", ["close", "reset", "data"])
def test_what_the_peer_does_to_a_parked_connection_ends_it(upstream: Upstream, event: str) -> None:
    keep(upstream.connect())
    peer = upstream.peers[0]
    act(peer, event)
    settle()
    assert pools()._by_name == {}
    sock = upstream.connect()
    assert sock.getreusedtimes() == (0, None)
    assert sock.close() == (1, None)


@pytest.mark.parametrize("event", ["close", "data"])
def test_a_parked_connection_is_looked_at_once_more_when_it_is_taken(upstream: Upstream, event: str) -> None:
    sock = upstream.connect()
    keep(sock)
    peer = upstream.peers[0]
    act(peer, event)
    sock = upstream.connect(sock)  # the hub has not run since
    assert sock.getreusedtimes() == (0, None)
    keep(sock)
    sock = upstream.connect(sock)
    assert sock.getreusedtimes() == (1, None)
    assert sock.close() == (1, None)


def test_an_idle_connection_is_closed_when_its_time_is_over(upstream: Upstream) -> None:
    keep(upstream.connect(), SHORT_MS)
    keep_long = upstream.connect(pool="long")
    keep(keep_long, 60_000)
    lasa.sleep(2 * SHORT_MS / 1000)
    assert list(pools()._by_name) == ["long"]
    assert upstream.peers[0].recv_until_closed() == b""


def test_each_idle_connection_has_its_own_time(upstream: Upstream) -> None:
    late, early = upstream.connect(), upstream.connect()
    keep(late, 150)
    keep(early, 20)
    (pool,) = pools()._by_name.values()
    lasa.sleep(0.06)
    assert len(pool.idle) == 1
    lasa.sleep(0.15)
    assert pools()._by_name == {}


def test_an_idle_connection_that_is_used_again_does_not_expire(upstream: Upstream) -> None:
    keep(upstream.connect(), SHORT_MS)
    sock = upstream.connect()
    lasa.sleep(2 * SHORT_MS / 1000)
    assert sock.send(b"x") == (1, None)
    keep(sock)
    (pool,) = pools()._by_name.values()
    assert len(pool.idle) == 1


def test_a_parked_connection_keeps_no_program_alive(upstream: Upstream) -> None:
    settle()
    before = gevent.get_hub().loop.activecnt
    keep(upstream.connect())
    settle()
    assert gevent.get_hub().loop.activecnt <= before


# The queue


LIMITED: dict[str, Any] = {"pool_size": 1, "backlog": 5}


def queued(upstream: Upstream, **options: Any) -> tuple[TcpSocket, thread.Thread]:
    sock = socket.tcp()
    return sock, spawn_blocked(lambda: sock.connect(*upstream.address, **{**LIMITED, **options}))


def test_a_queue_of_none_refuses_the_second_connection(upstream: Upstream) -> None:
    sock = upstream.connect(pool_size=1, backlog=0)
    refused = (None, "too many waiting connect operations")
    assert socket.tcp().connect(*upstream.address, pool_size=1, backlog=0) == refused
    assert sock.close() == (1, None)
    assert upstream.connect(pool_size=1, backlog=0).close() == (1, None)


def test_the_backlog_is_the_pools_and_holds_for_connects_that_do_not_name_it(upstream: Upstream) -> None:
    sock = upstream.connect(pool_size=1, backlog=0)
    refused = (None, "too many waiting connect operations")
    assert socket.tcp().connect(*upstream.address) == refused
    assert socket.tcp().connect(*upstream.address, pool_size=5, backlog=9) == refused
    assert sock.close() == (1, None)


def test_the_queue_is_served_in_order_when_a_connection_closes(upstream: Upstream) -> None:
    first = upstream.connect(**LIMITED)
    waiting = [queued(upstream) for _ in range(3)]
    current = first
    for sock, connecting in waiting:
        assert current.close() == (1, None)
        assert sock.getreusedtimes() == (0, None)  # still connecting: closing switches to nobody
        assert result_of(connecting) == (1, None)
        assert sock.getreusedtimes() == (0, None)
        upstream.accept()
        current = sock
    assert current.close() == (1, None)


def test_the_first_of_the_queue_gets_the_very_connection_that_is_parked(upstream: Upstream) -> None:
    sock = upstream.connect(**LIMITED)
    name = sock.getsockname()
    waiter, connecting = queued(upstream)
    keep(sock)
    assert result_of(connecting) == (1, None)
    assert waiter.getsockname() == name
    assert waiter.getreusedtimes() == (1, None)
    assert waiter.close() == (1, None)


def test_a_handed_over_connection_that_dies_on_the_way_is_replaced(upstream: Upstream) -> None:
    sock = upstream.connect(**LIMITED)
    waiter, connecting = queued(upstream)
    keep(sock)
    upstream.peers[0].close()
    assert result_of(connecting) == (1, None)
    upstream.accept()
    assert waiter.getreusedtimes() == (0, None)
    assert waiter.close() == (1, None)


def test_waiting_in_the_queue_ends_with_the_connect_timeout(upstream: Upstream) -> None:
    holder = upstream.connect(**LIMITED)
    late = socket.tcp()
    late.settimeouts(SHORT_MS, 60_000, 60_000)
    assert late.connect(*upstream.address, **LIMITED) == (None, "timeout")
    assert late.send(b"x") == (None, "closed")
    waiter, connecting = queued(upstream)
    assert holder.close() == (1, None)
    assert result_of(connecting) == (1, None)
    upstream.accept()
    assert waiter.close() == (1, None)


@pytest.mark.parametrize("end", ["kill", "gevent.kill", "gevent.Timeout"])
def test_who_is_ended_in_the_queue_only_leaves_it(upstream: Upstream, end: str) -> None:
    holder = upstream.connect(**LIMITED)
    victim = socket.tcp()

    def connect() -> tuple[Any, ...]:
        with gevent.Timeout(SHORT_MS / 1000 if end == "gevent.Timeout" else None):
            return victim.connect(*upstream.address, **LIMITED)

    connecting = spawn_blocked(connect)
    waiter, other = queued(upstream)
    if end == "kill":
        assert thread.kill(connecting) == (1, None)
    elif end == "gevent.kill":
        assert connecting.greenlet is not None
        gevent.kill(connecting.greenlet)
        failure_of(connecting)
    else:
        assert isinstance(failure_of(connecting), gevent.Timeout)
    assert victim.send(b"x") == (None, "closed")
    assert holder.send(b"x") == (1, None)
    assert holder.close() == (1, None)
    assert result_of(other) == (1, None)
    upstream.accept()
    assert waiter.close() == (1, None)


@pytest.mark.parametrize("serve", ["close", "park"])
def test_a_place_granted_to_one_who_is_killed_goes_to_the_next(upstream: Upstream, serve: str) -> None:
    holder = upstream.connect(**LIMITED)
    _, first = queued(upstream)
    waiter, second = queued(upstream)
    if serve == "park":
        keep(holder)
    else:
        assert holder.close() == (1, None)
    assert thread.kill(first) == (1, None)
    assert result_of(second) == (1, None)
    if serve == "close":
        upstream.accept()
    assert waiter.close() == (1, None)


def test_a_failed_connect_counts_for_nothing_and_resumes_the_next(upstream: Upstream) -> None:
    options: dict[str, Any] = {"pool": "shared", **LIMITED}
    holder = upstream.connect(**options)
    failing, waiter = socket.tcp(), socket.tcp()
    refused = spawn_blocked(lambda: failing.connect(*free_address(), **options))
    connecting = spawn_blocked(lambda: waiter.connect(*upstream.address, **options))
    assert holder.close() == (1, None)
    assert result_of(refused) == (None, "connection refused")
    assert result_of(connecting) == (1, None)
    upstream.accept()
    assert waiter.close() == (1, None)


def test_a_connection_that_nobody_holds_gives_its_place_back(upstream: Upstream) -> None:
    holder = upstream.connect(**LIMITED)
    waiter, connecting = queued(upstream)
    with pytest.warns(ResourceWarning, match="unclosed"):
        del holder
    assert result_of(connecting) == (1, None)
    upstream.accept()
    assert waiter.close() == (1, None)


def test_one_killed_while_it_connects_gives_its_place_back(upstream: Upstream) -> None:
    with silent_listener() as address:
        connecting = spawn_blocked(lambda: socket.tcp().connect(*address, pool="shared", **LIMITED))
        waiter = socket.tcp()
        waiting = spawn_blocked(lambda: waiter.connect(*upstream.address, pool="shared", **LIMITED))
        assert thread.kill(connecting) == (1, None)
        assert result_of(waiting) == (1, None)
    upstream.accept()
    assert waiter.close() == (1, None)


def test_without_a_queue_a_pool_limits_only_its_idle_connections(upstream: Upstream) -> None:
    socks = [upstream.connect(pool_size=1) for _ in range(3)]
    for sock in socks:
        assert sock.close() == (1, None)
    assert pools()._by_name == {}
