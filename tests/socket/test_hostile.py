"""Peers that reset, stop in the middle, drip, flood or go silent, and a process without descriptors."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import lasa
from lasa import socket, thread
from lasa.socket import TcpSocket
from tests.helpers import Peer, cosocket_pair, nothing_left_open, original_socket_class, raw_listener, settle
from tests.socket.tools import FLOOD, SHORT_MS, Pair, connected, listening, result_of, spawn_blocked, tcp_pair

Read = Callable[[TcpSocket], tuple[Any, Any, Any]]

# Each kind of read, none of which is satisfied by b"par".
READS: dict[str, Read] = {
    "line": lambda sock: sock.receive(),
    "size": lambda sock: sock.receive(10),
    "all": lambda sock: sock.receive("*a"),
    "until": lambda sock: sock.receiveuntil("--")(),
    "chunk": lambda sock: sock.receiveuntil("--")(10),
}


@pytest.fixture(params=list(READS))
def read(request: pytest.FixtureRequest) -> Read:
    return READS[request.param]


@pytest.fixture
def hostile() -> Iterator[tuple[TcpSocket, Peer]]:
    with nothing_left_open(), cosocket_pair() as (sock, peer):
        yield sock, peer


# In the middle of a read


def test_a_reset_in_a_read_hands_over_what_came(hostile: tuple[TcpSocket, Peer], read: Read) -> None:
    sock, peer = hostile
    reader = thread.spawn(read, sock)
    peer.sendall(b"par")
    settle()
    peer.reset()
    assert result_of(reader) == (None, "connection reset by peer", b"par")
    assert read(sock) == (None, "closed", None)


def test_an_end_in_a_read_hands_over_what_came(hostile: tuple[TcpSocket, Peer], read: Read) -> None:
    sock, peer = hostile
    reader = thread.spawn(read, sock)
    peer.sendall(b"par")
    peer.finish()
    outcome = result_of(reader)
    assert outcome == ((b"par", None, None) if read is READS["all"] else (None, "closed", b"par"))
    assert sock.send(b"x") == (1, None)


def test_silence_in_a_read_hands_over_what_came_and_the_next_read_goes_on(
    hostile: tuple[TcpSocket, Peer], read: Read
) -> None:
    sock, peer = hostile
    sock.settimeout(SHORT_MS)
    peer.sendall(b"par")
    assert read(sock) == (None, "timeout", b"par")
    assert read(sock) == (None, "timeout", b"")
    peer.sendall(b"0123456789--\n")
    assert sock.receive(10) == (b"0123456789", None, None)


def test_a_drip_completes_any_read(hostile: tuple[TcpSocket, Peer], read: Read) -> None:
    sock, peer = hostile
    reader = thread.spawn(read, sock)
    for byte in b"01234567--\n":
        peer.sendall(bytes([byte]))
        settle()
    peer.finish()
    data, err, _ = result_of(reader)
    assert err is None
    assert b"01234567--\n".startswith(data)
    assert len(data) >= 8


def test_a_second_connection_of_the_socket_knows_nothing_of_the_reset_first(hostile: tuple[TcpSocket, Peer]) -> None:
    sock, peer = hostile
    peer.sendall(b"old")
    peer.reset()
    assert sock.receive(100)[1] == "connection reset by peer"
    with raw_listener() as listener:
        assert sock.connect(*listener.getsockname()) == (1, None)
        again = Peer(listener.accept()[0])
    again.sendall(b"new\n")
    assert sock.receive() == (b"new", None, None)
    again.close()


# Floods


@contextmanager
def flooded(**limits: int) -> Iterator[Pair]:
    """A pair whose far end sends without end."""
    with listening() as listener:
        accepting = thread.spawn(listener.accept)
        near = socket.tcp(**limits)
        assert near.connect(*listener.getsockname()) == (1, None)
        far, err = result_of(accepting)
        assert far is not None, err

    def flood() -> None:
        while far.send(FLOOD)[0]:
            pass

    flooding = thread.spawn(flood)
    try:
        yield Pair(near, far)
    finally:
        near.close()
        result_of(flooding)
        far.close()


def test_a_flood_without_an_end_runs_into_the_limits_of_the_socket() -> None:
    with nothing_left_open(), flooded(max_line=1000, max_pattern=2000, max_all=3000) as pair:
        assert pair.near.receive() == (None, "line too long", FLOOD[:1000])
        assert pair.near.receiveuntil("--")() == (None, "section too long", FLOOD[1000:3000])
        assert pair.near.receive("*a") == (None, "stream too long", FLOOD[3000:6000])
        assert pair.near.receive(4) == (FLOOD[6000:6004], None, None)


def test_a_flood_runs_into_the_limits_of_a_single_read() -> None:
    with nothing_left_open(), flooded() as pair:
        assert pair.near.receive("*l", max_line=10) == (None, "line too long", FLOOD[:10])
        assert pair.near.receiveuntil("--", max_pattern=10)() == (None, "section too long", FLOOD[10:20])
        assert pair.near.receive("*a", max_all=10) == (None, "stream too long", FLOOD[20:30])


def test_a_flood_without_a_line_is_cut_off_after_a_mebibyte() -> None:
    with nothing_left_open(), flooded() as pair:
        line, err, partial = pair.near.receive()
        assert (line, err) == (None, "line too long")
        assert partial is not None
        assert len(partial) == 1 << 20


# In the middle of a write


def test_a_reset_in_a_write_ends_the_write_half() -> None:
    with nothing_left_open(), cosocket_pair() as (sock, peer):
        sender = spawn_blocked(sock.send, FLOOD * 16)
        peer.reset()
        sent, err = result_of(sender)
        assert sent is None
        assert err in ("connection reset by peer", "broken pipe")
        assert sock.send(b"x") == (None, "closed")


def test_silence_in_a_write_is_a_timeout_and_the_end_of_the_write_half() -> None:
    with nothing_left_open(), cosocket_pair() as (sock, peer):
        sock.settimeout(SHORT_MS)
        assert sock.send(FLOOD * 16) == (None, "timeout")
        assert sock.send(b"x") == (None, "closed")
        peer.sendall(b"hello")
        assert sock.receive(5) == (b"hello", None, None)


def test_a_peer_that_ended_its_direction_can_still_be_written_to(hostile: tuple[TcpSocket, Peer]) -> None:
    sock, peer = hostile
    peer.finish()
    assert sock.receive() == (None, "closed", b"")
    assert sock.send(b"x" * 1000) == (1000, None)
    assert peer.recv_exactly(1000) == b"x" * 1000


def test_a_reset_is_met_by_the_reader_and_the_writer_alike() -> None:
    with nothing_left_open(), cosocket_pair() as (sock, peer):
        reader = spawn_blocked(sock.receive)
        sender = spawn_blocked(sock.send, FLOOD * 16)
        peer.reset()
        words = {result_of(reader)[1], result_of(sender)[1]}
        assert words <= {"connection reset by peer", "broken pipe", "closed"}
        assert sock.close() == (None, "closed")


# Out of descriptors


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Lower the process's limit so that nothing more can be opened."""
    free = os.open("/dev/null", os.O_RDONLY)
    os.close(free)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@contextmanager
def waiting_connection() -> Iterator[TcpSocket]:
    """A listener with a connection in its queue."""
    with listening() as listener, original_socket_class()() as near:
        listener.listen()
        near.connect(listener.getsockname())
        yield listener


def test_accept_without_a_descriptor_waits_for_one_and_does_not_spin() -> None:
    with nothing_left_open(), waiting_connection() as listener:
        with no_descriptor_left():
            accepting = spawn_blocked(listener.accept)
            busy_s = time.process_time()
            lasa.sleep(0.3)
            busy_s = time.process_time() - busy_s
            assert thread.status(accepting) == "running"
        far, err = result_of(accepting)
        assert far is not None, err
        far.close()
    assert busy_s < 0.1


def test_accept_without_a_descriptor_fails_when_its_time_is_over() -> None:
    with nothing_left_open(), waiting_connection() as listener:
        listener.settimeout(SHORT_MS)
        with no_descriptor_left():
            outcome = listener.accept()
        assert outcome == (None, "too many open files")
        far, err = listener.accept()
        assert far is not None, err
        far.close()


def test_nothing_else_can_be_opened_without_a_descriptor_and_that_is_said() -> None:
    with nothing_left_open(), raw_listener() as listener:
        sock, udp = socket.tcp(), socket.udp()
        with no_descriptor_left():
            outcomes = [
                sock.connect(*listener.getsockname()),
                sock.bind("127.0.0.1", 0),
                udp.setpeername("127.0.0.1", 9),
                udp.setsockname("127.0.0.1", 0),
                sock.connect("unix:/tmp/x.sock"),
            ]
        assert outcomes == [(None, "too many open files")] * 5
        assert sock.connect(*listener.getsockname()) == (1, None)
        sock.close()


# Connections that come and go at the wrong time


def test_a_listener_that_closes_resets_those_who_stand_in_its_queue() -> None:
    with nothing_left_open():
        with listening() as listener:
            listener.listen()
            sock = connected(*listener.getsockname())
            reader = spawn_blocked(sock.receive)
        assert result_of(reader)[1] in ("connection reset by peer", "closed")
        sock.close()


def test_a_peer_that_closes_with_our_bytes_unread_resets_us() -> None:
    with nothing_left_open(), tcp_pair() as pair:
        assert pair.near.send(b"never read") == (10, None)
        reader = spawn_blocked(pair.near.receive)
        assert pair.far.close() == (1, None)
        assert result_of(reader) == (None, "connection reset by peer", b"")
