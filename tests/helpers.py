"""What several tests need: raw peers, waiting for quiet, counting what is open."""

from __future__ import annotations

import gc
import os
import socket as stdlib_socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import greenlet
from gevent import monkey

from lasa import socket
from lasa._hub.core import TURN_PRIORITY, scheduler
from lasa.socket import TcpSocket

PEER_TIMEOUT_S = 10.0


class Peer:
    """A raw kernel socket on the other side; it never blocks the hub for longer than a loopback round trip.

    It is built on the unpatched socket class, so that the suite means the same after monkey.patch_all().
    """

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        sock.settimeout(PEER_TIMEOUT_S)

    def sendall(self, data: bytes) -> None:
        self.sock.sendall(data)

    def recv_exactly(self, size: int) -> bytes:
        """Read ``size`` bytes that lasa has sent already."""
        data = b""
        while len(data) < size:
            chunk = self.sock.recv(size - len(data))
            assert chunk, f"the peer saw the end after {data!r}"
            data += chunk
        return data

    def recv_until_closed(self) -> bytes:
        chunks = []
        while chunk := self.sock.recv(65536):
            chunks.append(chunk)
        return b"".join(chunks)

    def finish(self) -> None:
        """Half-close: no more data from the peer."""
        self.sock.shutdown(stdlib_socket.SHUT_WR)

    def reset(self) -> None:
        """Close so that the other side gets ECONNRESET."""
        self.sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def close(self) -> None:
        self.sock.close()


def original_socket_class() -> Any:
    """The standard library's socket class, also after monkey.patch_all()."""
    return monkey.get_original("socket", "socket")


@contextmanager
def raw_listener(family: int = stdlib_socket.AF_INET, address: Any = ("127.0.0.1", 0)) -> Iterator[Any]:
    """A raw listening socket on loopback."""
    listener = original_socket_class()(family, stdlib_socket.SOCK_STREAM)
    listener.settimeout(PEER_TIMEOUT_S)
    try:
        listener.bind(address)
        listener.listen(128)
        yield listener
    finally:
        listener.close()


@contextmanager
def cosocket_pair() -> Iterator[tuple[TcpSocket, Peer]]:
    """A connected cosocket and the raw peer on the other side."""
    with raw_listener() as listener:
        sock = socket.tcp()
        ok, err = sock.connect(*listener.getsockname())
        assert ok, err
        peer = Peer(listener.accept()[0])
    try:
        yield sock, peer
    finally:
        sock.close()
        peer.close()


def wait_for_bytes(sock: TcpSocket) -> None:
    """Wait, without the hub, until something has arrived in the kernel."""
    kernel = sock._kernel_socket()
    assert kernel is not None
    readable, _, _ = select_original([kernel.fileno()], PEER_TIMEOUT_S)
    assert readable


def select_original(descriptors: list[int], timeout_s: float) -> tuple[list[int], list[int], list[int]]:
    found: tuple[list[int], list[int], list[int]] = monkey.get_original("select", "select")(
        descriptors, [], [], timeout_s
    )
    return found


def settle() -> None:
    """Run the hub until every light thread waits."""
    gevent.idle(TURN_PRIORITY)


def spend_credit() -> None:
    """Have the next call that breathes look at the clock."""
    scheduler().credit = 0


def spend_slice() -> None:
    """Have the next call that breathes step aside."""
    hub = scheduler()
    hub.slice_ends, hub._slice_iteration = 0.0, hub.loop.iteration
    hub.credit = 0


@contextmanager
def unspent_slice() -> Iterator[None]:
    """Calls of the body need not step aside, however slow the machine is."""
    hub = scheduler()
    slice_ends = hub.slice_ends
    hub.slice_ends = time.monotonic() + 60
    try:
        yield
    finally:
        hub.slice_ends = slice_ends


@contextmanager
def no_switch() -> Iterator[None]:
    """Fail if the body lets another greenlet run, though its slice is not spent."""
    switches: list[Any] = []

    def note(event: str, args: Any) -> None:
        switches.append((event, args))

    with unspent_slice():
        previous = greenlet.settrace(note)
        try:
            yield
        finally:
            greenlet.settrace(previous)
    assert not switches, f"{len(switches)} switches"


def open_descriptors() -> set[str]:
    """The process's open descriptors, each with what it stands for."""
    gc.collect()
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
        except OSError:
            continue  # the listing's own descriptor
    return found


@contextmanager
def nothing_left_open() -> Iterator[None]:
    """Fail if the body opens a descriptor or starts a watcher that outlives it."""
    settle()
    hub = gevent.get_hub()
    before, watchers = open_descriptors(), hub.loop.activecnt
    yield
    settle()
    assert open_descriptors() - before == set()
    assert hub.loop.activecnt <= watchers


__all__ = [
    "Peer",
    "cosocket_pair",
    "no_switch",
    "nothing_left_open",
    "open_descriptors",
    "original_socket_class",
    "raw_listener",
    "select_original",
    "settle",
    "wait_for_bytes",
]
