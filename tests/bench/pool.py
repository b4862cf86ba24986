"""Row 7: a connection from the keepalive pool and back, beside a fresh one and its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.bench.harness import Comparison, Contestant, Figures, Job, Meter, Row
from tests.bench.peers import holder

__all__ = ["ROWS"]

REUSED: Final = 50_000
FRESH: Final = 5_000
TIMEOUT_S: Final = 30.0


def measured(job: Job, visit: Callable[[], None]) -> Figures:
    """Call ``visit`` for each connection, first to warm up."""
    for _ in range(job.warm_up):
        visit()
    with Meter() as meter:
        for _ in range(job.count):
            visit()
    return meter.per_operation(job.count)


def lasa_pool(job: Job) -> Figures:
    from lasa import check, socket

    def visit() -> None:
        sock = check(socket.connect(job.host, job.port))
        check(sock.setkeepalive())

    figures = measured(job, visit)
    sock = check(socket.connect(job.host, job.port))
    assert check(sock.getreusedtimes()) == job.warm_up + job.count
    return figures


def lasa_fresh(job: Job) -> Figures:
    from lasa import check, socket

    def visit() -> None:
        check(check(socket.connect(job.host, job.port)).close())

    return measured(job, visit)


def gevent_fresh(job: Job) -> Figures:
    from gevent import socket

    def visit() -> None:
        socket.create_connection((job.host, job.port), timeout=TIMEOUT_S).close()

    return measured(job, visit)


ROWS: Final = (
    Row(
        name="pool",
        title="connect + setkeepalive from the pool; connect + close of a fresh connection",
        figures={"cpu_us": "CPU µs", "wall_us": "wall µs"},
        contestants=(
            Contestant("lasa, from the pool", lasa_pool, REUSED),
            Contestant("lasa, fresh", lasa_fresh, FRESH),
            Contestant("gevent, fresh", gevent_fresh, FRESH),
        ),
        comparisons=(
            Comparison("lasa, from the pool", "lasa, fresh", "≤ 0.2"),
            Comparison("lasa, fresh", "gevent, fresh"),
        ),
        service=holder,
        quick_divisor=5,
    ),
)
