"""Rows, contestants and rounds: who does what, how it is measured, and in which order."""

from __future__ import annotations

import gc
import importlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

__all__ = [
    "MEGABYTE",
    "ROOT",
    "Comparison",
    "Contestant",
    "Figures",
    "Job",
    "Meter",
    "NotInstalled",
    "Row",
    "RowResult",
    "by_callers",
    "no_service",
    "optional_module",
    "run_row",
]

ROOT: Final = Path(__file__).resolve().parents[2]
CONTESTANT_DEADLINE_S: Final = 120
MEGABYTE: Final = 1 << 20

Figures = dict[str, float]
Address = tuple[str, int]


class NotInstalled(Exception):
    """A peer is not on this machine; its contestant is shown as "not installed"."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a contestant gets: where its peer listens, and how many operations to do."""

    host: str
    port: int
    count: int

    @property
    def warm_up(self) -> int:
        """How many operations to do first, unmeasured: the interpreter specialises code, buffers grow."""
        return max(1, self.count // 20)


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to do the work of a row, so many operations of it per round."""

    name: str
    run: Callable[[Job], Figures]
    count: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A ratio of two contestants' figures: ``of`` by ``to``; or a figure of one, with "" for ``to``.

    Attributes:
        target: as the issue has it, beginning with "≤" or "≥" and a number; "" where it has none.
        figure: the compared figure, by default the row's first.
    """

    of: str
    to: str
    target: str = ""
    figure: str = ""


@contextmanager
def no_service() -> Iterator[Address]:
    """The service of a row that needs none."""
    yield "127.0.0.1", 0


@dataclass(frozen=True, slots=True)
class Row:
    """One piece of work and those who do it.

    Attributes:
        figures: name and heading of each figure that the contestants return; the first is the one to compare.
        service: runs the other end of all contestants, unmeasured, for as long as the row takes.
        quick_divisor: a quick run does so many times less.
    """

    name: str
    title: str
    figures: dict[str, str]
    contestants: tuple[Contestant, ...]
    comparisons: tuple[Comparison, ...] = ()
    service: Callable[[], AbstractContextManager[Address]] = no_service
    quick_divisor: int = 10

    @property
    def main_figure(self) -> str:
        """The figure that a comparison takes unless it says otherwise."""
        return next(iter(self.figures))


@dataclass(slots=True)
class RowResult:
    """What the rounds of a row gave.

    Attributes:
        counts: operations per round, by contestant.
        rounds: figures by contestant, one entry per round, None where the contestant did not get through.
        problems: why not: "not installed: …" or "failed: …".
        missing: why the whole row could not run.
    """

    row: Row
    counts: dict[str, int] = field(default_factory=dict)
    rounds: dict[str, list[Figures | None]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    missing: str = ""


class Meter:
    """CPU and wall time of this process, over the body of a ``with``."""

    def __init__(self) -> None:
        self.cpu_s = self.wall_s = 0.0

    def __enter__(self) -> Self:
        gc.collect()
        self.wall_s, self.cpu_s = -time.perf_counter(), -_cpu_s()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu_s += _cpu_s()
        self.wall_s += time.perf_counter()

    def per_operation(self, count: int) -> Figures:
        """Microseconds for each of ``count`` operations."""
        return {"cpu_us": self.cpu_s / count * 1e6, "wall_us": self.wall_s / count * 1e6}

    def per_megabyte(self, size: int) -> Figures:
        """The cost of each of ``size`` bytes' megabytes, and bytes per second of CPU and of wall time."""
        return {
            "cpu_us": self.cpu_s / size * MEGABYTE * 1e6,
            "cpu_gb_s": size / self.cpu_s / 1e9,
            "wall_gb_s": size / self.wall_s / 1e9,
        }


def by_callers(job: Job, callers: int, run: Callable[[int], object]) -> Figures:
    """Call ``run`` with the number of operations of each of ``callers``, first to warm up, which also connects."""
    run(job.warm_up // callers + 1)
    each = max(1, job.count // callers)
    with Meter() as meter:
        run(each)
    return meter.per_operation(each * callers)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def optional_module(name: str) -> Any:
    """Import a peer.

    Raises:
        NotInstalled: it is not there.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise NotInstalled(f"pip install {name}") from None


def run_row(row: Row, rounds: int, *, quick: bool, note: Callable[[str], None]) -> RowResult:
    """Run every contestant once per round, in turn: A B C A B C. Calls ``note`` with what runs now."""
    divisor = row.quick_divisor if quick else 1
    result = RowResult(row)
    result.counts = {one.name: max(1, one.count // divisor) for one in row.contestants}
    result.rounds = {one.name: [] for one in row.contestants}
    try:
        with row.service() as (host, port):
            for number in range(rounds):
                for name, count in result.counts.items():
                    note(f"{row.name}, round {number + 1} of {rounds}: {name}")
                    figures = None
                    if not result.problems.get(name, "").startswith("not installed"):
                        figures = _run_contestant(result, name, Job(host, port, count))
                    result.rounds[name].append(figures)
    except NotInstalled as error:
        result.missing = f"not installed: {error}"
    return result


def _run_contestant(result: RowResult, name: str, job: Job) -> Figures | None:
    command = [sys.executable, "-m", "tests.bench.worker", result.row.name, name, job.host]
    command += [str(job.port), str(job.count)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=CONTESTANT_DEADLINE_S)
    except subprocess.TimeoutExpired:
        result.problems[name] = f"failed: not done after {CONTESTANT_DEADLINE_S} s"
        return None
    if done.returncode:
        result.problems[name] = f"failed: {(done.stderr.strip() or str(done.returncode)).splitlines()[-1]}"
        return None
    answer = json.loads(done.stdout)
    if "missing" in answer:
        result.problems[name] = f"not installed: {answer['missing']}"
        return None
    figures: Figures = answer["figures"]
    return figures
