"""The other ends of the contestants' connections, in processes of their own that nobody measures.

``python -m tests.bench.peers stream`` sends what it is asked for; ``… hold`` accepts connections and keeps each until
its peer closes. Both print their port, and end with their standard input, so that none outlives a run.
"""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from tests.bench.harness import MEGABYTE, ROOT

__all__ = ["Stream", "holder", "raise_descriptor_limit", "sender"]


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of equal sections: ``length`` bytes of ``fill`` over and over, then ``end``; in ASCII."""

    length: int
    fill: str = "x"
    end: str = ""

    @property
    def section_size(self) -> int:
        """Bytes per section, its end included."""
        return self.length + len(self.end)

    def order(self, sections: int) -> bytes:
        """Return what asks a sender for so many sections; a connection may ask again and again."""
        return json.dumps({**asdict(self), "sections": sections}).encode() + b"\n"


@contextmanager
def sender() -> Iterator[tuple[str, int]]:
    """Run a process that answers orders, one connection after another."""
    with _running("stream") as address:
        yield address


@contextmanager
def holder() -> Iterator[tuple[str, int]]:
    """Run a process that accepts connections and keeps them."""
    with _running("hold") as address:
        yield address


@contextmanager
def _running(mode: str) -> Iterator[tuple[str, int]]:
    command = [sys.executable, "-m", "tests.bench.peers", mode]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield "127.0.0.1", int(process.stdout.readline())
        finally:
            process.stdin.close()


def raise_descriptor_limit() -> int:
    """Allow this process as many descriptors as it may have, and return how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def _serve_streams(listener: socket.socket) -> None:
    while True:
        client, _ = listener.accept()
        with client, client.makefile("rb") as orders:
            try:
                for line in orders:
                    order = json.loads(line)
                    sections = order.pop("sections")
                    _send_sections(client, Stream(**order), sections)
            except ConnectionError:
                continue  # a contestant that failed


def _send_sections(client: socket.socket, stream: Stream, sections: int) -> None:
    fill = stream.fill * (stream.length // len(stream.fill) + 1)
    section = (fill[: stream.length] + stream.end).encode()
    per_block = max(1, MEGABYTE // len(section))
    block = section * per_block
    for _ in range(sections // per_block):
        client.sendall(block)
    client.sendall(section * (sections % per_block))


def _serve_holding(listener: socket.socket) -> None:
    # A reset in answer to the contestant's close leaves no TIME_WAIT: a run opens more connections than ports exist.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    held: dict[int, socket.socket] = {}
    with select.epoll() as epoll:
        epoll.register(listener.fileno(), select.EPOLLIN)
        while True:
            for descriptor, _ in epoll.poll():
                if descriptor == listener.fileno():
                    client, _ = listener.accept()
                    held[client.fileno()] = client
                    epoll.register(client.fileno(), select.EPOLLIN)
                else:
                    held.pop(descriptor).close()


def _end_with_standard_input() -> None:
    sys.stdin.read()
    os._exit(0)


def main(mode: str) -> None:
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    raise_descriptor_limit()
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        print(listener.getsockname()[1], flush=True)
        {"stream": _serve_streams, "hold": _serve_holding}[mode](listener)


if __name__ == "__main__":
    main(sys.argv[1])
