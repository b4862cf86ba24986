"""The servers of the WebSocket rows: the same few applications for each, and a process to run one in.

``python -m tests.bench.websocket_apps SERVER APP COMPRESSION PORT``. Compression is "plain" for none, or "deflate" for
what the server does by default when a client offers it. No ping is due within a run, but a server that pings by default
has what it takes for that. The applications:

- echo: every message goes back
- frames: every frame goes back, at lasa's frame level
- idle: as echo, and the message "collect" collects garbage first, so that memory can be measured from outside
- broadcast: "join" is echoed, and whoever has said it gets 1 kB each time that one of them says "broadcast"
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.bench.harness import MEGABYTE, optional_module
from tests.bench.http_apps import Serving, free_port, running

__all__ = ["BROADCAST", "COLLECT", "JOIN", "NEWS", "serving"]

COLLECT: Final = b"collect"
JOIN: Final = b"join"
BROADCAST: Final = b"broadcast"
NEWS: Final = b"n" * 1024

MAX_MESSAGE: Final = 2 * MEGABYTE
PING_INTERVAL_S: Final = 600

# What a peer is fast with: without its compiled part, a comparison would say little.
NEEDS: Final = {
    "websockets": ("websockets", "websockets.speedups"),
    "aiohttp": ("aiohttp", "aiohttp._websocket.reader_c"),
}


@contextmanager
def serving(server: str, app: str, *, deflate: bool = False) -> Iterator[Serving]:
    """Run a server for as long as the body takes.

    Raises:
        NotInstalled: one of the packages that it needs is not there.
    """
    for module in NEEDS.get(server, ()):
        optional_module(module)
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.websocket_apps", server, app]
    with running([*command, "deflate" if deflate else "plain", str(port)], port) as pid:
        yield Serving(port, pid)


def run_lasa(app: str, deflate: bool, port: int) -> None:
    from lasa import check, thread, websocket

    address = f"127.0.0.1:{port}"
    joined: list[Any] = []

    def echo(wb: Any) -> None:
        for message in wb:
            wb.send(message)

    def frames(wb: Any) -> None:
        data, kind, _ = wb.recv_frame()
        while kind == "binary":
            wb.send_binary(data)
            data, kind, _ = wb.recv_frame()

    def idle(wb: Any) -> None:
        for message in wb:
            if message == COLLECT:
                gc.collect()
            wb.send(message)

    def broadcast(wb: Any) -> None:
        for message in wb:
            if message == BROADCAST:
                websocket.broadcast(joined, NEWS)
            else:
                joined.append(wb)
                wb.send(message)

    if app == "frames":
        server = check(websocket.server.new(address, max_payload_len=MAX_MESSAGE))
        while True:
            wb, _ = server.accept()
            if wb:
                thread.spawn(frames, wb)
    handlers = {"echo": echo, "idle": idle, "broadcast": broadcast}
    options: Any = {"compression": deflate, "max_message": MAX_MESSAGE, "ping_interval_s": PING_INTERVAL_S}
    check(websocket.server.new(address, **options)).run(handlers[app])


def run_websockets(app: str, deflate: bool, port: int) -> None:
    import asyncio

    module = optional_module("websockets.asyncio.server")
    joined: list[Any] = []

    async def echo(wb: Any) -> None:
        async for message in wb:
            await wb.send(message)

    async def idle(wb: Any) -> None:
        async for message in wb:
            if message == COLLECT:
                gc.collect()
            await wb.send(message)

    async def broadcast(wb: Any) -> None:
        async for message in wb:
            if message == BROADCAST:
                module.broadcast(joined, NEWS)
            else:
                joined.append(wb)
                await wb.send(message)

    handlers: dict[str, Callable[[Any], Awaitable[None]]] = {"echo": echo, "idle": idle, "broadcast": broadcast}
    options: dict[str, Any] = {"max_size": MAX_MESSAGE, "ping_interval": PING_INTERVAL_S}
    if not deflate:
        options["compression"] = None

    async def serve() -> None:
        async with module.serve(handlers[app], "127.0.0.1", port, **options) as server:
            await server.serve_forever()

    asyncio.run(serve())


def run_aiohttp(app: str, deflate: bool, port: int) -> None:
    web = optional_module("aiohttp.web")
    text = optional_module("aiohttp").WSMsgType.TEXT

    async def echo(request: Any) -> Any:
        wb = web.WebSocketResponse(compress=deflate, max_msg_size=MAX_MESSAGE)
        await wb.prepare(request)
        async for message in wb:
            if message.type is text:
                await wb.send_str(message.data)
            else:
                await wb.send_bytes(message.data)
        return wb

    application = web.Application()
    application.router.add_get("/", {"echo": echo}[app])
    web.run_app(application, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    run = {"lasa": run_lasa, "websockets": run_websockets, "aiohttp": run_aiohttp}[sys.argv[1]]
    run(sys.argv[2], sys.argv[3] == "deflate", int(sys.argv[4]))
