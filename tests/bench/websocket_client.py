"""WebSocket clients: the CPU time of one message sent and its echo received, in the client's process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from tests.bench.harness import Comparison, Contestant, Figures, Job, Row, by_callers, optional_module
from tests.bench.websocket_apps import NEEDS
from tests.bench.websocket_peer import MESSAGE, websocket_peer

__all__ = ["ROWS"]

CALLERS: Final = 20
COUNT: Final = 20_000


def url_of(job: Job) -> str:
    return f"ws://{job.host}:{job.port}/"


def expect(message: Any) -> None:
    if message != MESSAGE:
        raise ValueError(repr(message)[:100])


def lasa_threads(job: Job) -> Figures:
    from lasa import check, thread, websocket

    connections = [check(websocket.client.connect(url_of(job), compression=False)) for _ in range(CALLERS)]

    def caller(wb: Any, count: int) -> None:
        for _ in range(count):
            wb.send(MESSAGE)
            message, _ = wb.receive()
            expect(message)

    def run(count: int) -> None:
        for running_thread in [thread.spawn(caller, wb, count) for wb in connections]:
            check(thread.wait(running_thread))

    return by_callers(job, CALLERS, run)


def tasks(job: Job, connect: Callable[[], Awaitable[Any]], caller: Callable[[Any, int], Awaitable[None]]) -> Figures:
    """Measure CALLERS asyncio tasks, each with a connection of its own, that make so many exchanges each."""
    import asyncio

    async def connected() -> list[Any]:
        return [await connect() for _ in range(CALLERS)]

    async def run(connections: list[Any], count: int) -> None:
        await asyncio.gather(*(caller(wb, count) for wb in connections))

    with asyncio.Runner() as runner:
        connections = runner.run(connected())
        return by_callers(job, CALLERS, lambda count: runner.run(run(connections, count)))


def websockets_tasks(job: Job) -> Figures:
    for module in NEEDS["websockets"]:
        optional_module(module)
    client = optional_module("websockets.asyncio.client")

    async def connect() -> Any:
        return await client.connect(url_of(job), compression=None, proxy=None)

    async def caller(wb: Any, count: int) -> None:
        for _ in range(count):
            await wb.send(MESSAGE)
            expect(await wb.recv())

    return tasks(job, connect, caller)


def aiohttp_tasks(job: Job) -> Figures:
    for module in NEEDS["aiohttp"]:
        optional_module(module)
    aiohttp = optional_module("aiohttp")
    sessions: list[Any] = []

    async def connect() -> Any:
        if not sessions:
            sessions.append(aiohttp.ClientSession())
        return await sessions[0].ws_connect(url_of(job), compress=0)

    async def caller(wb: Any, count: int) -> None:
        for _ in range(count):
            await wb.send_bytes(MESSAGE)
            expect(await wb.receive_bytes())

    return tasks(job, connect, caller)


ROWS: Final = (
    Row(
        name="websocket-client",
        title=f"CPU of a WebSocket client per {len(MESSAGE):,} bytes sent and received, {CALLERS} connections",
        figures={"cpu_us": "CPU µs", "wall_us": "wall µs"},
        contestants=(
            Contestant("lasa", lasa_threads, COUNT),
            Contestant("websockets", websockets_tasks, COUNT),
            Contestant("aiohttp", aiohttp_tasks, COUNT),
        ),
        comparisons=(Comparison("lasa", "websockets", "≤ 0.7"), Comparison("lasa", "aiohttp")),
        service=websocket_peer,
    ),
)
