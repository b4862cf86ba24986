"""Row 3: 1 GB in large reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tests.bench.harness import Comparison, Contestant, Figures, Job, Meter, Row
from tests.bench.peers import Stream, sender

__all__ = ["ROWS", "lasa_receiveany", "measured"]

SIZE: Final = 65536
COUNT: Final = (1 << 30) // SIZE
BLOCKS: Final = Stream(SIZE)
TIMEOUT_S: Final = 30.0


def measured(
    job: Job, send: Callable[[bytes], Any], read: Callable[[int], None], *, stream: Stream = BLOCKS
) -> Figures:
    """Order sections with ``send`` and let ``read`` read them; it gets how many, first to warm up."""
    for count in (job.warm_up, job.count):
        with Meter() as meter:
            send(stream.order(count))
            read(count)
    return meter.per_megabyte(job.count * stream.section_size)


def lasa_receive(job: Job) -> Figures:
    from lasa import check, socket

    sock = check(socket.connect(job.host, job.port))

    def read(count: int) -> None:
        for _ in range(count):
            data, err, _ = sock.receive(SIZE)
            if data is None:
                raise ValueError(err)

    return measured(job, sock.send, read)


def lasa_receiveany(job: Job) -> Figures:
    from lasa import check, socket

    sock = check(socket.connect(job.host, job.port))

    def read(count: int) -> None:
        left = count * SIZE
        while left:
            data, err, _ = sock.receiveany(SIZE)
            if data is None:
                raise ValueError(err)
            left -= len(data)

    return measured(job, sock.send, read)


def gevent_recv(job: Job) -> Figures:
    from gevent import socket

    sock = socket.create_connection((job.host, job.port), timeout=TIMEOUT_S)

    def read(count: int) -> None:
        left = count * SIZE
        while left:
            data = sock.recv(SIZE)
            if not data:
                raise ValueError("closed")
            left -= len(data)

    return measured(job, sock.sendall, read)


ROWS: Final = (
    Row(
        name="bulk",
        title="1 GB in reads of 65,536 bytes",
        figures={"cpu_us": "CPU µs/MB", "cpu_gb_s": "GB/s of CPU", "wall_gb_s": "GB/s of wall"},
        contestants=(
            Contestant("lasa receive", lasa_receive, COUNT),
            Contestant("lasa receiveany", lasa_receiveany, COUNT),
            Contestant("gevent recv, 30 s", gevent_recv, COUNT),
        ),
        comparisons=tuple(
            Comparison(f"lasa {call}", "gevent recv, 30 s", "≥ 0.8", figure)
            for figure in ("cpu_gb_s", "wall_gb_s")
            for call in ("receive", "receiveany")
        ),
        service=sender,
        quick_divisor=4,
    ),
)
