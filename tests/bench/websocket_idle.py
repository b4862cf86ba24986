"""What an idle WebSocket connection takes of its server's memory, as the process's growth by many of them.

Three kinds: no compression; compression agreed on, by each server's own defaults, and not used yet; and the same after
one text of 1 kB has gone both ways under it, which is when zlib's own memory is there.
"""

from __future__ import annotations

from collections.abc import Callable
from socket import socket
from typing import Final

from tests.bench.harness import Comparison, Contestant, Figures, Job, Row
from tests.bench.http_apps import Serving
from tests.bench.memory import used_bytes
from tests.bench.peers import raise_descriptor_limit
from tests.bench.websocket_apps import COLLECT, serving
from tests.bench.websocket_frames import binary, compressed_texts
from tests.bench.websocket_load import Echoes, close_all, opened

__all__ = ["ROWS"]

IDLE: Final = 5_000
FIRST: Final = 10  # a tenth as many are opened before the measurement


def idle_connections(server: str, *, deflate: bool = False, used: bool = False) -> Callable[[Job], Figures]:
    """Return the contestant: what a connection costs ``server``."""

    def contestant(job: Job) -> Figures:
        raise_descriptor_limit()  # the server inherits it
        traffic = compressed_texts(1024)

        def make(running: Serving, count: int) -> list[socket]:
            socks = opened(running, count, deflate=deflate)
            if used:
                Echoes(socks, traffic).warm_up(1)
            return socks

        with serving(server, "idle", deflate=deflate) as running:
            kept = make(running, job.count // FIRST)
            before = collected(running)
            kept += make(running, job.count)
            after = collected(running)
            close_all(kept)
        return {name: (after[name] - before[name]) / job.count for name in before}

    return contestant


def collected(running: Serving) -> Figures:
    socks = opened(running, 1)
    Echoes(socks, binary(COLLECT)).warm_up(1)
    close_all(socks)
    return used_bytes(running.pid)


SERVERS: Final = ("lasa", "websockets")
KINDS: Final = {
    "": {"deflate": False},
    ", deflate": {"deflate": True},
    ", deflate used": {"deflate": True, "used": True},
}

ROWS: Final = (
    Row(
        name="websocket-idle",
        title=f"server memory of an idle WebSocket connection, {IDLE:,} of them; used: after one text of 1 kB each way",
        figures={"uss": "USS bytes", "rss": "RSS bytes"},
        contestants=tuple(
            Contestant(server + kind, idle_connections(server, **options), IDLE)
            for kind, options in KINDS.items()
            for server in SERVERS
        ),
        comparisons=tuple(Comparison("lasa" + kind, "websockets" + kind, "≤ 1.0") for kind in KINDS),
        quick_divisor=10,
    ),
)
