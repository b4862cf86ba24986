"""How a TCP or unix connection begins, what state it is in, and how it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import pytest

from lasa import socket, thread
from lasa.socket import TcpSocket
from tests.helpers import Peer, cosocket_pair, no_switch, nothing_left_open, raw_listener, settle, wait_for_bytes
from tests.socket.tools import (
    SHORT_MS,
    Pair,
    accept_while,
    connected,
    free_address,
    listening,
    result_of,
    silent_listener,
    spawn_blocked,
    tcp_pair,
)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with nothing_left_open(), tcp_pair() as connection:
        yield connection


def closed_everywhere(sock: TcpSocket) -> None:
    assert sock.receive() == (None, "closed", None)
    assert sock.send(b"x") == sock.close() == sock.setkeepalive() == sock.getreusedtimes() == (None, "closed")


# connect


def test_connect_to_a_closed_port_is_refused_and_the_socket_is_closed() -> None:
    with nothing_left_open():
        sock = socket.tcp()
        assert sock.connect(*free_address()) == (None, "connection refused")
        closed_everywhere(sock)
        assert socket.connect(*free_address()) == (None, "connection refused")


def test_a_socket_may_connect_again_after_a_failure(pair: Pair) -> None:
    sock = socket.tcp()
    assert sock.connect(*free_address()) == (None, "connection refused")
    with listening() as listener:
        accept_while(listener, lambda: reconnect(sock, listener)).far.close()
    assert sock.getreusedtimes() == (0, None)
    assert sock.close() == (1, None)


def reconnect(sock: TcpSocket, listener: TcpSocket) -> TcpSocket:
    assert sock.connect(*listener.getsockname()) == (1, None)
    return sock


def test_connect_closes_the_old_connection_and_drops_what_it_had_read(pair: Pair) -> None:
    assert pair.far.send(b"old data\nmore") == (13, None)
    assert pair.near.receive() == (b"old data", None, None)
    reader = pair.near.receiveuntil("--")
    with listening() as listener:
        far = accept_while(listener, lambda: reconnect(pair.near, listener)).far
    assert pair.far.receive() == (None, "closed", b"")
    assert not pair.near.peek()
    assert far.send(b"new--") == (5, None)
    assert reader() == (b"new", None, None)
    far.close()


def test_the_end_marker_of_a_reader_does_not_outlive_its_connection(pair: Pair) -> None:
    assert pair.far.send(b"ab--") == (4, None)
    reader = pair.near.receiveuntil("--")
    assert reader(10) == (b"ab", None, None)
    with listening() as listener:
        far = accept_while(listener, lambda: reconnect(pair.near, listener)).far
    assert far.send(b"cd--") == (4, None)
    assert reader(10) == (b"cd", None, None)
    far.close()


def test_a_bad_port_or_host_text_says_why() -> None:
    sock = socket.tcp()
    assert sock.connect("127.0.0.1", 65536) == (None, "bad port number: 65536")
    assert sock.connect("127.0.0.1", -1) == (None, "bad port number: -1")
    assert sock.connect("", 80) == (None, 'failed to parse host name "": no host')
    assert sock.connect("unix:") == (None, 'failed to parse host name "unix:": no path in the unix domain socket')
    too_long = "unix:/" + "x" * 107
    reason = "too long path in the unix domain socket"
    assert sock.connect(too_long) == (None, f'failed to parse host name "{too_long}": {reason}')


def test_a_bad_port_leaves_the_connection_alone(pair: Pair) -> None:
    assert pair.near.connect("127.0.0.1", 65536) == (None, "bad port number: 65536")
    assert pair.near.connect("127.0.0.1") == (None, "missing the port number")
    assert pair.near.send(b"x") == (1, None)


def test_a_name_that_nobody_has_is_not_found() -> None:
    with nothing_left_open():
        ok, err = socket.tcp().connect("no-such-name.invalid", 80)
        assert ok is None
        assert err is not None
        assert err.startswith("no-such-name.invalid could not be resolved (")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", b"127.0.0.1", "::1", "[::1]"])
def test_hosts_are_names_and_literals_with_or_without_brackets(host: Any) -> None:
    with listening("::1" if ":" in str(host) else "127.0.0.1") as listener:
        port = listener.getsockname()[1]
        near, far = accept_while(listener, lambda: connected(host, str(port)))
        assert near.getpeername() == far.getsockname()
        assert far.getpeername() == near.getsockname()
        near.close()
        far.close()


def test_a_connect_that_nobody_answers_times_out_and_leaves_nothing() -> None:
    with nothing_left_open(), silent_listener() as address:
        sock = socket.tcp()
        sock.settimeout(SHORT_MS)
        assert sock.connect(*address) == (None, "timeout")
        closed_everywhere(sock)


def test_while_connecting_every_call_is_busy_and_only_the_reuse_count_answers() -> None:
    with nothing_left_open(), silent_listener() as address:
        sock = socket.tcp()
        sock.settimeout(200)
        connecting = spawn_blocked(sock.connect, *address)
        busy = "socket busy connecting"
        with no_switch():
            assert sock.receive() == sock.receiveany(1) == sock.receiveuntil("x")() == (None, busy, None)
            assert sock.send(b"x") == sock.close() == sock.setkeepalive() == (None, busy)
            assert sock.connect(*address) == sock.bind("127.0.0.1") == sock.accept() == (None, busy)
            assert sock.getreusedtimes() == (0, None)
            assert not sock.peek()
            sock.settimeouts(1, 2, 3)
        assert result_of(connecting) == (None, "timeout")
        closed_everywhere(sock)


def test_killing_a_connect_to_a_black_hole_leaves_the_socket_closed() -> None:
    with nothing_left_open(), silent_listener() as address:
        sock = socket.tcp()
        connecting = spawn_blocked(sock.connect, *address)
        assert thread.kill(connecting) == (1, None)
        assert sock.setkeepalive() == (None, "closed")
        assert sock.connect(*free_address()) == (None, "connection refused")


# unix sockets


def test_a_unix_path_is_connected_to_with_or_without_a_port(tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/a.sock"
    with listening(path, None) as listener:
        addresses: list[tuple[Any, ...]] = [(path,), (path, 80), (path, None, {}), (path, {"pool": "x"})]
        for address in (*addresses, ("UNIX" + path[4:], 0, {})):
            near, far = accept_while(listener, partial(connected, *address))
            assert near.send(b"x") == (1, None)
            assert far.receive(1) == (b"x", None, None)
            assert near.getpeername() == (path, None)
            near.close()
            far.close()


def test_a_unix_path_without_a_file_or_without_a_listener_says_so(tmp_path: Path) -> None:
    with nothing_left_open():
        path = f"unix:{tmp_path}/a.sock"
        assert socket.connect(path) == (None, "no such file or directory")
        listener = socket.tcp()
        assert listener.bind(path) == (True, None)
        assert socket.connect(path) == (None, "connection refused")
        assert listener.close() == (1, None)
        assert socket.connect(path) == (None, "connection refused")


def test_a_unix_path_that_is_forbidden_says_so(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(mode=0)
    user = os.geteuid()
    if user == 0:  # to whom nothing is forbidden
        os.seteuid(65534)
    try:
        assert socket.connect(f"unix:{tmp_path}/shut/a.sock") == (None, "permission denied")
    finally:
        os.seteuid(user)


def test_a_unix_listener_whose_queue_is_full_is_waited_for(tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/a.sock"
    listener = socket.tcp()
    assert listener.bind(path, backlog=0) == (True, None)
    listener.listen()
    first = connected(path)
    late = socket.tcp()
    late.settimeout(SHORT_MS)
    assert late.connect(path) == (None, "timeout")
    late.settimeout(5000)
    connecting = spawn_blocked(late.connect, path)
    accepted, err = listener.accept()
    assert accepted is not None, err
    assert result_of(connecting) == (1, None)
    for sock in (first, late, accepted, listener):
        assert sock.close() == (1, None)


# The halves


def test_a_reset_hands_over_what_came_and_closes_the_read_half_only() -> None:
    with nothing_left_open(), cosocket_pair() as (sock, peer):
        peer.sendall(b"par")
        reader = spawn_blocked(sock.receive, 10)
        peer.reset()
        assert result_of(reader) == (None, "connection reset by peer", b"par")
        assert sock.receive(1) == (None, "closed", None)
        assert sock.send(b"x")[1] in ("broken pipe", "connection reset by peer")
        assert sock.close() == (None, "closed")


def test_when_both_halves_are_closed_the_descriptor_is_gone_at_once(pair: Pair) -> None:
    near = pair.near
    assert pair.far.shutdown("send") == (1, None)
    assert near.receive() == (None, "closed", b"")
    descriptor = near._connection.link.sock.fileno()  # type: ignore[union-attr]
    assert near.shutdown("send") == (1, None)
    with pytest.raises(OSError):
        os.fstat(descriptor)
    assert near.close() == (None, "closed")


def test_close_drops_what_was_buffered_and_works_once(pair: Pair) -> None:
    assert pair.far.send(b"abc\ndef") == (7, None)
    assert pair.near.receive() == (b"abc", None, None)
    with no_switch():
        assert pair.near.close() == (1, None)
    closed_everywhere(pair.near)


def test_shutdown_ends_one_direction_and_then_says_closed(pair: Pair) -> None:
    near, far = pair
    assert near.shutdown("send") == (1, None)
    assert near.shutdown("send") == near.send(b"x") == (None, "closed")
    assert far.receive() == (None, "closed", b"")
    assert far.send(b"still\n") == (6, None)
    assert near.receive() == (b"still", None, None)
    assert near.shutdown("receive") == (1, None)
    assert near.receive() == (None, "closed", None)
    assert near.close() == (None, "closed")
    with pytest.raises(ValueError):
        far.shutdown("sideways")


def test_a_with_statement_closes_the_socket(pair: Pair) -> None:
    with pair.near as sock:
        assert sock.send(b"x") == (1, None)
    closed_everywhere(sock)


def test_an_open_socket_that_nobody_holds_closes_itself_and_warns() -> None:
    with nothing_left_open(), raw_listener() as listener:
        sock = connected(*listener.getsockname())
        peer = Peer(listener.accept()[0])
        with pytest.warns(ResourceWarning, match="unclosed <lasa tcp socket connected"):
            del sock
        assert peer.recv_until_closed() == b""
        peer.close()


def test_a_socket_dropped_in_another_os_thread_is_closed_in_its_own() -> None:
    with nothing_left_open(), raw_listener() as listener:
        held = [connected(*listener.getsockname())]
        peer = Peer(listener.accept()[0])
        with pytest.warns(ResourceWarning, match="unclosed <lasa tcp socket connected"):
            gevent.get_hub().threadpool.apply(held.clear)
        settle()
        assert peer.recv_until_closed() == b""
        peer.close()


def test_a_listener_that_nobody_holds_closes_itself_and_warns() -> None:
    with nothing_left_open():
        for state in ("bound", "listening"):
            listener = socket.tcp()
            assert listener.bind("127.0.0.1", 0) == (True, None)
            if state == "listening":
                listener.listen()
            with pytest.warns(ResourceWarning, match=f"unclosed <lasa tcp socket {state}"):
                del listener


def test_a_socket_says_what_it_is(pair: Pair) -> None:
    assert "closed" in repr(socket.tcp())
    assert "connected" in repr(pair.near)


# Waiting


def test_what_is_in_the_kernel_already_is_read_after_one_trip_through_the_hub(pair: Pair) -> None:
    assert pair.far.send(b"one\ntwo\n") == (8, None)
    wait_for_bytes(pair.near)
    assert pair.near.receive() == (b"one", None, None)
    with no_switch():
        assert pair.near.receive() == (b"two", None, None)


def test_sending_what_the_kernel_takes_does_not_switch(pair: Pair) -> None:
    with no_switch():
        assert pair.near.send(b"x" * 1000) == (1000, None)


def test_no_timer_runs_between_calls(pair: Pair) -> None:
    pair.near.settimeout(SHORT_MS)
    settle()
    before = gevent.get_hub().loop.activecnt
    assert pair.near.receive() == (None, "timeout", b"")
    settle()
    assert gevent.get_hub().loop.activecnt == before
