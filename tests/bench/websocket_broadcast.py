"""One message to many WebSocket connections: what a broadcast costs its server, and how long it takes to arrive.

One of the connections asks for a broadcast; when all have read it whole, it asks for the next. Nothing is compressed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from socket import socket
from typing import Final

from tests.bench.harness import Comparison, Contestant, Figures, Job, Row
from tests.bench.http_server import ServerMeter, run_all
from tests.bench.peers import raise_descriptor_limit
from tests.bench.websocket_apps import BROADCAST, JOIN, NEWS, serving
from tests.bench.websocket_frames import BINARY, binary, frame
from tests.bench.websocket_load import Echoes, close_all, opened, read_frame

__all__ = ["ROWS"]

CONNECTIONS: Final = 2_000
COUNT: Final = 40
ORDER: Final = binary(BROADCAST).frames[0]
NEWS_FRAME: Final = frame(BINARY, NEWS)


class Rounds:
    """Broadcasts, one after another, to connections that have joined."""

    def __init__(self, socks: list[socket], count: int) -> None:
        self._socks = socks
        self._left = count
        self._unread = 0

    def run(self) -> None:
        """Ask for each broadcast, and read it on all connections."""
        readers = {sock.fileno(): self._reader(sock, self._left) for sock in self._socks}
        self._ask()
        run_all(readers)

    def _ask(self) -> None:
        self._left -= 1
        self._unread = len(self._socks)
        if self._socks[0].send(ORDER) != len(ORDER):
            raise ValueError("the order did not leave whole")

    def _reader(self, sock: socket, count: int) -> Iterator[int]:
        buffer = bytearray(len(NEWS_FRAME) + 1)
        view = memoryview(buffer)
        for _ in range(count):
            yield from read_frame(sock, buffer, view)
            if not buffer.startswith(NEWS_FRAME):
                raise ValueError(f"a frame that begins with {buffer[:20]!r}")
            self._unread -= 1
            if not self._unread and self._left:
                self._ask()


def broadcasts(server: str) -> Callable[[Job], Figures]:
    """Return the contestant: ``server`` broadcasts to all, as often as the job counts."""

    def contestant(job: Job) -> Figures:
        raise_descriptor_limit()  # the server inherits it
        with serving(server, "broadcast") as running:
            socks = opened(running, CONNECTIONS)
            Echoes(socks, binary(JOIN)).warm_up(1)
            Rounds(socks, job.warm_up).run()
            with ServerMeter(running.pid) as meter:
                Rounds(socks, job.count).run()
            close_all(socks)
        return {"cpu_ms": meter.cpu_s / job.count * 1e3, "wall_ms": meter.wall_s / job.count * 1e3}

    return contestant


ROWS: Final = (
    Row(
        name="websocket-broadcast",
        title=f"a broadcast of {len(NEWS):,} bytes to {CONNECTIONS:,} WebSocket connections, until all have read it",
        figures={"cpu_ms": "CPU ms", "wall_ms": "wall ms"},
        contestants=tuple(Contestant(server, broadcasts(server), COUNT) for server in ("lasa", "websockets")),
        comparisons=(
            Comparison("lasa", "websockets", "≤ 1.0"),
            Comparison("lasa", "websockets", "≤ 1.0", "wall_ms"),
        ),
    ),
)
