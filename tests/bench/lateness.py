"""Row 6: how late a light thread is that sleeps 10 ms at a time, beside one that reads what a faster peer sends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from tests.bench.harness import Comparison, Contestant, Figures, Job, Row, no_service
from tests.fairness.peer import Plan, running

__all__ = ["ROWS"]

NAP_S: Final = 0.01
NAPS: Final = 100
LINE: Final = b"x" * 62 + b"\r\n"


def figures(late_s: list[float]) -> Figures:
    return {"late_ms": max(late_s) * 1000}


def naps(sleep: Callable[[float], object], count: int) -> Figures:
    """Sleep so often, in the one that waits."""
    late_s = []
    for _ in range(count):
        due_s = time.monotonic() + NAP_S
        sleep(NAP_S)
        late_s.append(time.monotonic() - due_s)
    return figures(late_s)


def lasa_reads(read: Callable[[Any], Callable[[], tuple[Any, ...]]]) -> Callable[[Job], Figures]:
    """Return the contestant; ``read(sock)`` is the call that it makes again and again."""

    def contestant(job: Job) -> Figures:
        import lasa

        with running(Plan("server", block=LINE)) as port:
            sock = lasa.check(lasa.socket.connect("127.0.0.1", port))
            call = read(sock)

            def loop() -> None:
                while call()[1] is None:
                    pass

            lasa.thread.spawn(loop)
            return naps(lasa.sleep, job.count)

    return contestant


def lasa_sends(job: Job) -> Figures:
    import lasa

    with running(Plan("server")) as port:
        sock = lasa.check(lasa.socket.connect("127.0.0.1", port))

        def loop() -> None:
            while sock.send(LINE)[1] is None:
                pass

        lasa.thread.spawn(loop)
        return naps(lasa.sleep, job.count)


def gevent_lines(job: Job) -> Figures:
    import gevent
    from gevent import socket

    with running(Plan("server", block=LINE)) as port:
        sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        file = sock.makefile("rb")

        def loop() -> None:
            while file.readline():
                pass

        gevent.spawn(loop)
        return naps(gevent.sleep, job.count)


def asyncio_lines(job: Job) -> Figures:
    async def main(port: int) -> Figures:
        reader, _ = await asyncio.open_connection("127.0.0.1", port)

        async def loop() -> None:
            while await reader.readline():
                pass

        task = asyncio.create_task(loop())
        late_s = []
        for _ in range(job.count):
            due_s = time.monotonic() + NAP_S
            await asyncio.sleep(NAP_S)
            late_s.append(time.monotonic() - due_s)
        task.cancel()
        return figures(late_s)

    with running(Plan("server", block=LINE)) as port:
        return asyncio.run(main(port))


ROWS: Final = (
    Row(
        name="lateness",
        title="a nap of 10 ms beside a flood: the latest of 100",
        figures={"late_ms": "late by ms"},
        contestants=(
            Contestant("lasa, lines", lasa_reads(lambda sock: sock.receive), NAPS),
            Contestant("lasa, sizes", lasa_reads(lambda sock: lambda: sock.receive(100)), NAPS),
            Contestant("lasa, sections", lasa_reads(lambda sock: sock.receiveuntil(b"\r\n")), NAPS),
            Contestant("lasa, receiveany", lasa_reads(lambda sock: lambda: sock.receiveany(65536)), NAPS),
            Contestant("lasa, sends", lasa_sends, NAPS),
            Contestant("gevent, lines", gevent_lines, NAPS),
            Contestant("asyncio streams, lines", asyncio_lines, NAPS),
        ),
        comparisons=tuple(
            Comparison(f"lasa, {call}", "", "≤ 50", "late_ms")
            for call in ("lines", "sizes", "sections", "receiveany", "sends")
        ),
        service=no_service,
    ),
)
