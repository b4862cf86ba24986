"""The server of the WebSocket clients' row, in a process of its own that nobody measures.

``python -m tests.bench.websocket_peer PORT`` answers every data frame with one and the same frame, which is the echo of
what the row's clients send. So it needs no unmasking and takes less time than any of them.
"""

from __future__ import annotations

import base64
import hashlib
import re
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.bench.http_apps import free_port, running
from tests.bench.websocket_frames import BINARY, HEAD_END, frame

__all__ = ["MESSAGE", "websocket_peer"]

MESSAGE: Final = b"x" * 1024
ANSWER: Final = frame(BINARY, MESSAGE)
KEY_SIZE: Final = 4
CLOSE: Final = 0x88
READ_SIZE: Final = 1 << 16
GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@contextmanager
def websocket_peer() -> Iterator[tuple[str, int]]:
    """Run the server for as long as the body takes."""
    port = free_port()
    with running([sys.executable, "-m", "tests.bench.websocket_peer", str(port)], port):
        yield "127.0.0.1", port


class Peer:
    """One connection: what it has sent and is not answered yet."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._unread = b""
        self._is_upgraded = False

    def answer(self) -> bool:
        """Read once and answer what is whole; whether the connection goes on."""
        try:
            data = self.sock.recv(READ_SIZE)
            self._unread += data
            if not self._is_upgraded and HEAD_END in self._unread:
                self._upgrade()
            return bool(data) and (not self._is_upgraded or self._answer_frames())
        except ConnectionError:
            return False

    def _upgrade(self) -> None:
        head, _, self._unread = self._unread.partition(HEAD_END)
        found = re.search(rb"\r\nsec-websocket-key: *([^\r]+)", head, re.IGNORECASE)
        accept = base64.b64encode(hashlib.sha1((found[1] if found else b"") + GUID).digest())
        lines = (b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade")
        self.sock.sendall(b"\r\n".join((*lines, b"Sec-WebSocket-Accept: " + accept)) + HEAD_END)
        self._is_upgraded = True

    def _answer_frames(self) -> bool:
        while len(self._unread) >= (size := masked_size(self._unread)):
            first_byte, self._unread = self._unread[0], self._unread[size:]
            if first_byte == BINARY:
                self.sock.sendall(ANSWER)
            elif first_byte == CLOSE:
                self.sock.sendall(frame(CLOSE, b""))
                return False
        return True


def masked_size(data: bytes) -> int:
    """The size of the masked frame that ``data`` begins with, below 64 kB; if not known yet, more than there is."""
    if len(data) < 4:
        return 4
    length = data[1] & 0x7F
    return 2 + KEY_SIZE + length if length < 126 else 4 + KEY_SIZE + int.from_bytes(data[2:4])


def main(port: int) -> None:
    peers: dict[int, Peer] = {}
    with socket.create_server(("127.0.0.1", port)) as listener, select.epoll() as epoll:
        epoll.register(listener.fileno(), select.EPOLLIN)
        while True:
            for descriptor, _ in epoll.poll():
                if descriptor == listener.fileno():
                    sock, _ = listener.accept()
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    peers[sock.fileno()] = Peer(sock)
                    epoll.register(sock.fileno(), select.EPOLLIN)
                elif not peers[descriptor].answer():
                    peers.pop(descriptor).sock.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
