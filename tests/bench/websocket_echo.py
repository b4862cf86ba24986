"""WebSocket servers: the CPU time of an echoed message, read from outside.

One load for all (websocket_load.py) keeps a message in flight on each of its connections. "busy" is the share of the
time in which the server ran, the lowest of the row's figures: near 1, nobody waited for the load.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.bench.harness import MEGABYTE, Comparison, Contestant, Figures, Job, Row
from tests.bench.http_server import ServerMeter
from tests.bench.websocket_apps import serving
from tests.bench.websocket_frames import Traffic, binary, compressed_texts, texts
from tests.bench.websocket_load import Echoes, close_all, opened

__all__ = ["ROWS"]

CONNECTIONS: Final = 20
COUNT: Final = 40_000
WARM_UP: Final = 5  # messages per connection, at least


@dataclass(frozen=True, slots=True)
class Work:
    """One of a row's figures.

    Attributes:
        divisor: so many times fewer messages than the job counts, since each takes longer.
    """

    traffic: Callable[[], Traffic]
    divisor: int


SIZES: Final = {
    "b16": Work(lambda: binary(b"x" * 16), 1),
    "kb1": Work(lambda: binary(b"x" * 1024), 1),
    "kb64": Work(lambda: binary(b"x" * 65_536), 4),
    "mb1": Work(lambda: binary(b"x" * MEGABYTE), 40),
}
TEXTS: Final = {
    "text": Work(lambda: texts(1024), 1),
    "deflate": Work(lambda: compressed_texts(1024), 2),
}


def echoes(server: str, app: str, works: dict[str, Work], *, deflate: bool) -> Callable[[Job], Figures]:
    """Return the contestant: all of the works, one after another, with the same server process."""

    def contestant(job: Job) -> Figures:
        figures: Figures = {}
        busy = []
        with serving(server, app, deflate=deflate) as running:
            for name, work in works.items():
                traffic = work.traffic()
                socks = opened(running, CONNECTIONS, deflate=traffic.is_compressed)
                load = Echoes(socks, traffic)
                load.warm_up(max(WARM_UP, job.warm_up // work.divisor // CONNECTIONS))
                each = max(1, job.count // work.divisor // CONNECTIONS)
                with ServerMeter(running.pid) as meter:
                    load.run(each)
                figures[name] = meter.cpu_s / (each * CONNECTIONS) * 1e6
                busy.append(meter.cpu_s / meter.wall_s)
                close_all(socks)
        return {**figures, "busy": min(busy)}

    return contestant


FRAMES: Final = "lasa, frames"

ROWS: Final = (
    Row(
        name="websocket-echo",
        title=f"CPU of a WebSocket server per echoed binary message, {CONNECTIONS} connections, no compression",
        figures={"b16": "µs, 16 B", "kb1": "µs, 1 kB", "kb64": "µs, 64 kB", "mb1": "µs, 1 MB", "busy": "busy, least"},
        contestants=(
            *(Contestant(one, echoes(one, "echo", SIZES, deflate=False), COUNT) for one in ("lasa", "websockets")),
            Contestant(FRAMES, echoes("lasa", "frames", SIZES, deflate=False), COUNT),
            Contestant("aiohttp", echoes("aiohttp", "echo", SIZES, deflate=False), COUNT),
        ),
        comparisons=(
            Comparison("lasa", "websockets", "≤ 0.7", "b16"),
            Comparison("lasa", "websockets", "≤ 0.7", "kb1"),
            Comparison("lasa", "websockets", "≤ 1.0", "kb64"),
            Comparison("lasa", "websockets", "≤ 1.0", "mb1"),
            Comparison("lasa", "aiohttp", "≤ 1.0", "b16"),
            Comparison("lasa", "aiohttp", "≤ 1.0", "kb1"),
            Comparison("lasa", "aiohttp", "", "kb64"),
            Comparison("lasa", "aiohttp", "", "mb1"),
            *(Comparison(FRAMES, "lasa", "≤ 1.0", size) for size in SIZES),
        ),
    ),
    Row(
        name="websocket-text",
        title=f"the same for JSON texts of 1 kB, plain and under permessage-deflate, {CONNECTIONS} connections",
        figures={"text": "µs, plain", "deflate": "µs, deflate", "busy": "busy, least"},
        contestants=tuple(
            Contestant(server, echoes(server, "echo", TEXTS, deflate=True), COUNT)
            for server in ("lasa", "websockets", "aiohttp")
        ),
        comparisons=tuple(
            Comparison("lasa", server, "", figure) for server in ("websockets", "aiohttp") for figure in TEXTS
        ),
    ),
)
