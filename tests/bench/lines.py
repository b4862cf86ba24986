"""Row 2: lines of 64 bytes, read one by one from a stream that never pauses."""

from __future__ import annotations

import socket as stdlib_socket
from collections.abc import Callable
from typing import Any, Final

from tests.bench.harness import Comparison, Contestant, Figures, Job, Meter, Row
from tests.bench.peers import Stream, sender

__all__ = ["ROWS"]

COUNT: Final = 1_000_000
LINES: Final = Stream(63, end="\n")
TIMEOUT_S: Final = 30.0


def measured(job: Job, send: Callable[[bytes], Any], read: Callable[[int], int]) -> Figures:
    """Order lines with ``send`` and let ``read`` count their bytes, first to warm up."""
    for count in (job.warm_up, job.count):
        with Meter() as meter:
            send(LINES.order(count))
            size = read(count)
        if size not in (63 * count, 64 * count):  # with or without LF
            raise ValueError(f"{size} bytes in {count} lines")
    return meter.per_operation(job.count)


def count_bytes(readline: Callable[[], bytes], count: int) -> int:
    size = 0
    for _ in range(count):
        size += len(readline())
    return size


def lasa_receive(job: Job) -> Figures:
    from lasa import check, socket

    sock = check(socket.connect(job.host, job.port))

    def read(count: int) -> int:
        size = 0
        for _ in range(count):
            line, err, _ = sock.receive("*l")
            if line is None:
                raise ValueError(err)
            size += len(line)
        return size

    return measured(job, sock.send, read)


def buffered_reader(job: Job) -> Figures:
    sock = stdlib_socket.create_connection((job.host, job.port))
    readline = sock.makefile("rb").readline
    return measured(job, sock.sendall, lambda count: count_bytes(readline, count))


def gevent_makefile(job: Job) -> Figures:
    from gevent import socket

    sock = socket.create_connection((job.host, job.port), timeout=TIMEOUT_S)
    readline = sock.makefile("rb").readline
    return measured(job, sock.sendall, lambda count: count_bytes(readline, count))


def asyncio_readline(job: Job) -> Figures:
    import asyncio

    async def read_lines(reader: asyncio.StreamReader, count: int) -> int:
        size = 0
        for _ in range(count):
            size += len(await reader.readline())
        return size

    with asyncio.Runner() as runner:
        reader, writer = runner.run(_open(job))
        return measured(job, writer.write, lambda count: runner.run(read_lines(reader, count)))


async def _open(job: Job) -> tuple[Any, Any]:
    import asyncio

    return await asyncio.open_connection(job.host, job.port)


ROWS: Final = (
    Row(
        name="lines",
        title=f"{COUNT:,} lines of 64 bytes",
        figures={"cpu_us": "CPU µs", "wall_us": "wall µs"},
        contestants=(
            Contestant('lasa receive("*l")', lasa_receive, COUNT),
            Contestant("io.BufferedReader", buffered_reader, COUNT),
            Contestant("asyncio readline", asyncio_readline, COUNT),
            Contestant("gevent makefile, 30 s", gevent_makefile, COUNT),
        ),
        comparisons=(
            Comparison('lasa receive("*l")', "io.BufferedReader", "≤ 3"),
            Comparison('lasa receive("*l")', "asyncio readline", "≤ 1"),
            Comparison('lasa receive("*l")', "gevent makefile, 30 s"),
        ),
        service=sender,
        quick_divisor=5,
    ),
)
