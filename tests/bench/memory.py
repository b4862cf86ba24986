"""Row 6: the memory of an idle light thread and of an idle connection, as the process's growth by many of them.

Kernel memory is not in it. The other ends of the connections are held by a process of their own.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.bench.harness import Comparison, Contestant, Figures, Job, Row
from tests.bench.peers import holder, raise_descriptor_limit

__all__ = ["ROWS", "used_bytes"]

COUNT: Final = 10_000
FEWER: Final = 5_000  # where the process may not have so many descriptors
SPARE_DESCRIPTORS: Final = 200
FIRST: Final = 10  # a tenth as many are made before the measurement
IDLE_S: Final = 3600
TIMEOUT_S: Final = 30.0  # lasa's default, and long enough for the measurement


def used_bytes(pid: int | None = None) -> Figures:
    """Memory of a process, of this one unless it says which: its own alone (USS), and with what it shares (RSS)."""
    gc.collect()
    kilobytes = {}
    for line in Path(f"/proc/{pid or 'self'}/smaps_rollup").read_text().splitlines()[1:]:
        name, value, *_ = line.split()
        kilobytes[name] = int(value)
    own = kilobytes["Private_Clean:"] + kilobytes["Private_Dirty:"]
    return {"uss": own * 1024.0, "rss": kilobytes["Rss:"] * 1024.0}


def measured(count: int, make: Callable[[], Any], settle: Callable[[], None]) -> Figures:
    """Make ``count`` things with ``make``, after some that load what is loaded once; ``settle`` runs the hub.

    Those first ones also fill the holes that imports leave in the heap.
    """
    kept = [make() for _ in range(count // FIRST)]
    settle()
    before = used_bytes()
    kept.extend(make() for _ in range(count))
    settle()
    after = used_bytes()
    assert len(kept) == count + count // FIRST
    return {name: (after[name] - before[name]) / count for name in before}


def connections_for(job: Job) -> int:
    most = (raise_descriptor_limit() - SPARE_DESCRIPTORS) * FIRST // (FIRST + 1)
    return job.count if job.count <= most else min(FEWER, most)


def lasa_settle() -> None:
    import lasa

    for _ in range(3):
        lasa.sleep(0)


def gevent_settle() -> None:
    import gevent

    for _ in range(3):
        gevent.sleep(0)


def lasa_thread(job: Job) -> Figures:
    import lasa
    from lasa import thread

    return measured(job.count, lambda: thread.spawn(lasa.sleep, IDLE_S), lasa_settle)


def gevent_greenlet(job: Job) -> Figures:
    import gevent

    return measured(job.count, lambda: gevent.spawn(gevent.sleep, IDLE_S), gevent_settle)


def lasa_connection(job: Job) -> Figures:
    from lasa import check, socket

    return measured(connections_for(job), lambda: check(socket.connect(job.host, job.port)), lasa_settle)


def gevent_connection(job: Job) -> Figures:
    from gevent import socket

    return measured(connections_for(job), lambda: socket.create_connection((job.host, job.port)), gevent_settle)


def gevent_reader(job: Job) -> Figures:
    """What it takes to read lines: ``makefile``."""
    from gevent import socket

    def make() -> Any:
        sock = socket.create_connection((job.host, job.port))
        return sock, sock.makefile("rb")

    return measured(connections_for(job), make, gevent_settle)


def lasa_blocked(job: Job) -> Figures:
    from lasa import check, socket, thread

    def make() -> Any:
        sock = check(socket.connect(job.host, job.port))
        return sock, thread.spawn(sock.receive, "*l")

    return measured(connections_for(job), make, lasa_settle)


def gevent_blocked(timeout_s: float | None) -> Callable[[Job], Figures]:
    """Return the contestant: greenlets blocked in recv, with or without a timeout."""

    def contestant(job: Job) -> Figures:
        import gevent
        from gevent import socket

        def make() -> Any:
            sock = socket.create_connection((job.host, job.port), timeout=timeout_s)
            return sock, gevent.spawn(sock.recv, 65536)

        return measured(connections_for(job), make, gevent_settle)

    return contestant


FIGURES: Final = {"uss": "USS bytes", "rss": "RSS bytes"}

ROWS: Final = (
    Row(
        name="memory-thread",
        title=f"memory of an idle light thread (asleep), {COUNT:,} of them",
        figures=FIGURES,
        contestants=(Contestant("lasa", lasa_thread, COUNT), Contestant("gevent", gevent_greenlet, COUNT)),
        comparisons=(Comparison("lasa", "gevent", "≤ 1.15"),),
        quick_divisor=4,
    ),
    Row(
        name="memory-connection",
        title=f"memory of an idle connection, {COUNT:,} of them",
        figures=FIGURES,
        contestants=(
            Contestant("lasa", lasa_connection, COUNT),
            Contestant("gevent", gevent_connection, COUNT),
            Contestant("gevent with makefile", gevent_reader, COUNT),
        ),
        comparisons=(Comparison("lasa", "gevent", "≤ 1.15"), Comparison("lasa", "gevent with makefile")),
        service=holder,
        quick_divisor=4,
    ),
    Row(
        name="memory-blocked",
        title=f"memory of a connection with a light thread blocked in a read, {COUNT:,} of them",
        figures=FIGURES,
        contestants=(
            Contestant("lasa, 30 s", lasa_blocked, COUNT),
            Contestant("gevent, 30 s", gevent_blocked(TIMEOUT_S), COUNT),
            Contestant("gevent", gevent_blocked(None), COUNT),
        ),
        comparisons=(
            Comparison("lasa, 30 s", "gevent, 30 s", "≤ 1.15"),
            Comparison("lasa, 30 s", "gevent", "≤ 1.15"),
        ),
        service=holder,
        quick_divisor=4,
    ),
)
