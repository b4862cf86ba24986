"""The raw load of the WebSocket rows: plain sockets and one epoll loop, in the contestant's own process.

The server under measurement is another process. The load does as little as it can: prepared frames go out, and of what
comes back only the head is looked at, but for the warm-up, which compares every payload.
"""

from __future__ import annotations

import select
import socket
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from tests.bench.http_apps import Serving
from tests.bench.http_server import connected, run_all
from tests.bench.websocket_frames import (
    HEAD_END,
    Traffic,
    check_upgrade,
    frame_end,
    payload_start,
    upgrade_request,
)

__all__ = ["Echoes", "close_all", "opened", "read_frame"]

AT_ONCE: Final = 50  # handshakes: fewer than any server's backlog
HEAD_SIZE: Final = 4096
SPARE: Final = 64  # a byte too many has to be seen


def opened(running: Serving, count: int, *, deflate: bool = False) -> list[socket.socket]:
    """Open so many WebSocket connections, and return their sockets, which do not block."""
    request, socks = upgrade_request(running.port, deflate=deflate), []
    for begin in range(0, count, AT_ONCE):
        batch = [connected(running) for _ in range(min(AT_ONCE, count - begin))]
        for sock in batch:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(request)
        for sock in batch:
            check_upgrade(_read_head(sock), deflate=deflate)
            sock.setblocking(False)
        socks += batch
    return socks


def _read_head(sock: socket.socket) -> bytes:
    head = b""
    while HEAD_END not in head:
        data = sock.recv(HEAD_SIZE)
        if not data or len(head) > HEAD_SIZE:
            raise ValueError(f"no answer to the handshake: {head!r}")
        head += data
    if not head.endswith(HEAD_END):
        raise ValueError(f"more than an answer to the handshake: {head!r}")
    return head


def close_all(socks: Sequence[socket.socket]) -> None:
    """Close connections that must still be open, and have nothing unread.

    Raises:
        ValueError: one was closed by the server, or it has sent more than was asked for.
    """
    for sock in socks:
        try:
            raise ValueError(f"a connection was not left alone: {sock.recv(100)!r}")
        except BlockingIOError:
            sock.close()


def read_frame(sock: socket.socket, buffer: bytearray, view: memoryview) -> Iterator[int]:
    """Read one frame into the buffer, where it begins at 0. Yields before each read, as ``run_all`` wants it."""
    have = 0
    while True:
        yield select.EPOLLIN
        size = sock.recv_into(view[have:] if have else view)
        if not size:
            raise ValueError("closed")
        have += size
        end = frame_end(buffer, have)
        if end > len(buffer):
            raise ValueError(f"a frame of {end} bytes")
        if have >= end:
            break
    if have > end:
        raise ValueError(f"{have - end} bytes too many")


class Echoes:
    """Connections that send a message each, and the next one when its echo has come back whole."""

    def __init__(self, socks: Sequence[socket.socket], traffic: Traffic) -> None:
        self._traffic = traffic
        self._socks = socks
        self._checks = [_PayloadCheck(traffic) for _ in socks]
        size = max(map(len, traffic.frames)) + max(map(len, traffic.payloads)) * traffic.is_compressed
        self._buffers = [bytearray(size + SPARE) for _ in socks]

    def warm_up(self, each: int) -> None:
        """Exchange so many messages per connection, and compare every payload."""
        everyone = zip(self._socks, self._buffers, self._checks, strict=True)
        run_all({sock.fileno(): self._exchange(sock, buffer, each, check) for sock, buffer, check in everyone})

    def run(self, each: int) -> None:
        """Exchange so many messages per connection."""
        everyone = zip(self._socks, self._buffers, strict=True)
        run_all({sock.fileno(): self._exchange(sock, buffer, each, None) for sock, buffer in everyone})

    def _exchange(
        self, sock: socket.socket, buffer: bytearray, count: int, check: Callable[[int, bytearray], None] | None
    ) -> Iterator[int]:
        frames, first_byte, view = self._traffic.frames, self._traffic.first_byte, memoryview(buffer)
        for number in range(count):
            turn = number % len(frames)
            unsent = memoryview(frames[turn])
            while unsent := unsent[sock.send(unsent) :]:
                yield select.EPOLLOUT
            yield from read_frame(sock, buffer, view)
            if buffer[0] != first_byte:
                raise ValueError(f"a frame that begins with {buffer[:2].hex()}")
            if check:
                check(turn, buffer)


class _PayloadCheck:
    """Whether one connection's answers are the messages that it has sent."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)  # what one message says may stand in earlier ones

    def __call__(self, turn: int, buffer: bytearray) -> None:
        payload = bytes(buffer[payload_start(buffer) : frame_end(buffer, len(buffer))])
        if self._traffic.is_compressed:
            payload = self._inflater.decompress(payload + b"\x00\x00\xff\xff")
        if payload != self._traffic.payloads[turn]:
            raise ValueError(f"an echo that begins with {payload[:20]!r}")
