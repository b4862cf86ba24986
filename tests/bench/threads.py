"""Row 5: spawning a light thread and collecting its result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tests.bench.harness import Comparison, Contestant, Figures, Job, Meter, Row

__all__ = ["ROWS"]

BATCH: Final = 100


def nothing() -> None:
    """What the light threads of the first rows run."""


def measured(job: Job, spawn: Callable[[], Any], collect: Callable[[Any], Any], batch: int) -> Figures:
    """Spawn ``batch`` at a time and collect each, until all are done; first to warm up."""

    def run(count: int) -> None:
        if batch == 1:
            for _ in range(count):
                collect(spawn())
        else:
            for _ in range(count // batch):
                for running in [spawn() for _ in range(batch)]:
                    collect(running)

    count = max(1, job.count // batch) * batch
    run(max(batch, job.warm_up))
    with Meter() as meter:
        run(count)
    return meter.per_operation(count)


def lasa_spawn(delay_s: float | None, batch: int) -> Callable[[Job], Figures]:
    """Return the contestant; its light threads sleep ``delay_s`` seconds, or not at all."""

    def contestant(job: Job) -> Figures:
        import lasa
        from lasa import thread

        if delay_s is None:
            return measured(job, lambda: thread.spawn(nothing), thread.wait, batch)
        return measured(job, lambda: thread.spawn(lasa.sleep, delay_s), thread.wait, batch)

    return contestant


def gevent_spawn(delay_s: float | None, batch: int) -> Callable[[Job], Figures]:
    """As lasa_spawn()."""

    def contestant(job: Job) -> Figures:
        import gevent

        get = gevent.Greenlet.get
        if delay_s is None:
            return measured(job, lambda: gevent.spawn(nothing), get, batch)
        return measured(job, lambda: gevent.spawn(gevent.sleep, delay_s), get, batch)

    return contestant


def row(name: str, title: str, delay_s: float | None, batch: int, count: int, target: str) -> Row:
    return Row(
        name=name,
        title=f"spawn and wait, {title}, {'one' if batch == 1 else batch} at a time",
        figures={"cpu_us": "CPU µs", "wall_us": "wall µs"},
        contestants=(
            Contestant("lasa", lasa_spawn(delay_s, batch), count),
            Contestant("gevent", gevent_spawn(delay_s, batch), count),
        ),
        comparisons=(Comparison("lasa", "gevent", target),),
    )


ROWS: Final = (
    row("spawn", "a function that does nothing", None, 1, 100_000, "≤ 0.4"),
    row("spawn-many", "a function that does nothing", None, BATCH, 100_000, "≤ 0.4"),
    row("spawn-sleep0", "sleep(0)", 0, 1, 50_000, "≤ 0.7"),
    row("spawn-sleep0-many", "sleep(0)", 0, BATCH, 50_000, "≤ 0.7"),
    row("spawn-sleep1-many", "sleep of 1 ms", 0.001, BATCH, 50_000, "≤ 0.7"),
)
