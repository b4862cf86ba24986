"""Other people's WebSockets, in a process of their own: ``websockets`` (both of its APIs) and aiohttp, as told.

    python -m tests.websocket.libraries

Each line that comes in is a command as JSON, each line that goes out its outcome. Their event loops and threads thus
owe nothing to the hub of the tests, nor to gevent's patches.

    {"id": 1, "do": "serve", "library": "websockets", "options": {…}}          -> {"id": 1, "port": 4711}
    {"id": 2, "do": "visit", "library": "aiohttp", "uri": …, "options": {…}, "steps": [["send", {"text": "a"}], …]}
    {"id": 3, "do": "ended", "port": 4711}                                  -> the next connection there that has ended

A message is {"text": "…"} or {"binary": "…"}, the bytes as Latin-1. A served connection echoes, but for texts that
begin with "!", which are orders: see ``_obey``.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import aiohttp
import websockets.asyncio.client
import websockets.asyncio.server
import websockets.sync.client
import websockets.sync.server
from aiohttp import web
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

__all__: list[str] = []

WAIT_S: Final = 10.0
MAX_MESSAGE: Final = 1 << 25
THREADS: Final = 64  # of the synchronous connections, most of which wait

Said = dict[str, Any]  # what goes out, but for its id
_WAITS: Final = {"open_timeout": WAIT_S, "close_timeout": WAIT_S, "max_size": MAX_MESSAGE}


def _packed(message: Any) -> dict[str, str]:
    return {"text": message} if isinstance(message, str) else {"binary": bytes(message).decode("latin-1")}


def _unpacked(message: dict[str, str]) -> str | bytes:
    return message["text"] if "text" in message else message["binary"].encode("latin-1")


class Talk:
    """One connection of any library; each method is the library's own way to do it."""

    async def send(self, message: str | bytes) -> None:
        raise NotImplementedError

    async def send_fragments(self, pieces: list[str | bytes]) -> None:
        raise NotImplementedError

    async def receive(self) -> str | bytes | None:
        """None: it is closed."""
        raise NotImplementedError

    async def ping(self) -> None:
        """Return when the pong has come."""
        raise NotImplementedError

    async def close(self, code: int, reason: str) -> None:
        raise NotImplementedError

    def about(self) -> Said:
        """What was agreed, and the other side's headers."""
        raise NotImplementedError

    def closing(self) -> list[Any]:
        """Code and reason that the other side has sent."""
        raise NotImplementedError


class OfWebsockets(Talk):
    """By the asyncio API of websockets."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def send(self, message: str | bytes) -> None:
        await self.connection.send(message)

    async def send_fragments(self, pieces: list[str | bytes]) -> None:
        await self.connection.send(pieces)

    async def receive(self) -> str | bytes | None:
        try:
            message: str | bytes = await self.connection.recv()
            return message
        except ConnectionClosed:
            return None

    async def ping(self) -> None:
        await (await self.connection.ping())

    async def close(self, code: int, reason: str) -> None:
        await self.connection.close(code, reason)

    def about(self) -> Said:
        found = self.connection
        other = found.response if found.protocol.side.name == "CLIENT" else found.request
        return {
            "protocol": found.subprotocol,
            "headers": list(other.headers.raw_items()),
            "extensions": [extension.name for extension in found.protocol.extensions],
        }

    def closing(self) -> list[Any]:
        return [self.connection.close_code, self.connection.close_reason]


class OfSyncWebsockets(OfWebsockets):
    """By its API for threads."""

    async def send(self, message: str | bytes) -> None:
        await asyncio.to_thread(self.connection.send, message)

    async def send_fragments(self, pieces: list[str | bytes]) -> None:
        await asyncio.to_thread(self.connection.send, pieces)

    async def receive(self) -> str | bytes | None:
        try:
            message: str | bytes = await asyncio.to_thread(self.connection.recv, WAIT_S)
            return message
        except ConnectionClosed:
            return None

    async def ping(self) -> None:
        pong = self.connection.ping()
        assert await asyncio.to_thread(pong.wait, WAIT_S)

    async def close(self, code: int, reason: str) -> None:
        await asyncio.to_thread(self.connection.close, code, reason)


class OfAiohttp(Talk):
    """By aiohttp, which keeps pongs to itself unless autoping is off, and sends no fragments by its public API."""

    def __init__(self, connection: Any, headers: Any) -> None:
        self.connection = connection
        self.headers = headers
        self.pongs = 0
        self.reason = ""

    async def send(self, message: str | bytes) -> None:
        await (self.connection.send_str if isinstance(message, str) else self.connection.send_bytes)(message)

    async def send_fragments(self, pieces: list[str | bytes]) -> None:
        # Its send_frame() sends whole frames only; its writer knows no other. So the message goes as a whole.
        await self.send("".join(pieces) if isinstance(pieces[0], str) else b"".join(pieces))  # type: ignore[arg-type]

    async def receive(self) -> str | bytes | None:
        while True:
            message = await self.connection.receive()
            if message.type is aiohttp.WSMsgType.PING:
                await self.connection.pong(message.data)
            elif message.type is aiohttp.WSMsgType.PONG:
                self.pongs += 1
                return b"pong"
            elif message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                data: str | bytes = message.data
                return data
            else:
                if message.type is aiohttp.WSMsgType.CLOSE:
                    self.reason = message.extra or ""
                return None

    async def ping(self) -> None:
        await self.connection.ping(b"are you there")
        assert await self.receive() == b"pong"

    async def close(self, code: int, reason: str) -> None:
        await self.connection.close(code=code, message=reason.encode())

    def about(self) -> Said:
        chosen = self.connection.ws_protocol if hasattr(self.connection, "ws_protocol") else self.connection.protocol
        return {
            "protocol": chosen,
            "headers": [[name, value] for name, value in self.headers.items()],
            "extensions": ["permessage-deflate"] if self.connection.compress else [],
        }

    def closing(self) -> list[Any]:
        return [self.connection.close_code, self.reason]


# -- as servers


async def _obey(talk: Talk, order: str) -> None:
    name, _, rest = order.removeprefix("!").partition(" ")
    if name == "close":
        code, _, reason = rest.partition(" ")
        await talk.close(int(code), reason)
    elif name == "ping":
        await talk.ping()
        await talk.send("pong has come")
    elif name == "fragments":
        await talk.send_fragments(list(rest))
    elif name == "repeat":
        size, _, text = rest.partition(" ")
        await talk.send((text * (int(size) // len(text) + 1))[: int(size)].encode("latin-1"))
    elif name == "about":
        await talk.send(json.dumps(talk.about()))


async def _serve_one(talk: Talk) -> None:
    while (message := await talk.receive()) is not None:
        if isinstance(message, str) and message.startswith("!"):
            await _obey(talk, message)
        else:
            await talk.send(message)


class Servers:
    """Everything that serves, and how each connection has ended."""

    def __init__(self) -> None:
        self._ended: dict[int, asyncio.Queue[list[Any]]] = {}
        self._kept: list[Any] = []

    async def serve(self, library: str, options: Said) -> Said:
        ended: asyncio.Queue[list[Any]] = asyncio.Queue()
        port = await getattr(self, f"_serve_{library}")(options, ended)
        self._ended[port] = ended
        return {"port": port}

    async def ended(self, port: int) -> Said:
        return {"closing": await asyncio.wait_for(self._ended[port].get(), WAIT_S)}

    async def _serve_websockets(self, options: Said, ended: asyncio.Queue[list[Any]]) -> int:
        async def handle(connection: Any) -> None:
            talk = OfWebsockets(connection)
            await _serve_one(talk)
            await connection.wait_closed()
            ended.put_nowait(talk.closing())

        made = await websockets.asyncio.server.serve(handle, "127.0.0.1", 0, **_server_options(options))
        self._kept.append(made)
        port: int = made.sockets[0].getsockname()[1]
        return port

    async def _serve_sync(self, options: Said, ended: asyncio.Queue[list[Any]]) -> int:
        loop = asyncio.get_running_loop()

        def handle(connection: Any) -> None:
            talk = OfSyncWebsockets(connection)
            asyncio.run(_serve_one(talk))
            loop.call_soon_threadsafe(ended.put_nowait, talk.closing())

        made = websockets.sync.server.serve(handle, "127.0.0.1", 0, **_server_options(options))
        self._kept.append(made)
        threading.Thread(target=made.serve_forever, daemon=True).start()
        port: int = made.socket.getsockname()[1]
        return port

    async def _serve_aiohttp(self, options: Said, ended: asyncio.Queue[list[Any]]) -> int:
        async def handle(request: web.Request) -> Any:
            if "basic_auth" in options and request.headers.get("Authorization") != _basic(options):
                return web.Response(status=401, text="who are you?", headers={"WWW-Authenticate": "Basic"})
            response = web.WebSocketResponse(
                protocols=options.get("subprotocols", ()),
                compress=options.get("compression", "deflate") is not None,
                max_msg_size=MAX_MESSAGE,
                autoping=False,
            )
            await response.prepare(request)
            talk = OfAiohttp(response, request.headers)
            await _serve_one(talk)
            ended.put_nowait(talk.closing())
            return response

        app = web.Application()
        app.router.add_get("/{path:.*}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=_server_tls(options))
        await site.start()
        self._kept.append(site)
        port: int = runner.addresses[0][1]
        return port


def _basic(options: Said) -> str:
    return "Basic " + base64.b64encode(":".join(options["basic_auth"]).encode()).decode()


def _server_tls(options: Said) -> ssl.SSLContext | None:
    if "certificate" not in options:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options["certificate"])
    return context


def _server_options(options: Said) -> Said:
    found: Said = {**_WAITS, "ssl": _server_tls(options), "ping_interval": None}
    for name in ("compression", "subprotocols", "origins"):
        if name in options:
            found[name] = options[name]
    if "deflate" in options:
        found["extensions"] = [ServerPerMessageDeflateFactory(**options["deflate"])]
        found["compression"] = None
    if "basic_auth" in options:

        def check(connection: Any, request: Any) -> Any:
            if request.headers.get("Authorization") == _basic(options):
                return None
            refusal = connection.respond(401, "who are you?")
            refusal.headers["WWW-Authenticate"] = "Basic"
            return refusal

        found["process_request"] = check
    return found


# -- as clients


def _client_options(options: Said) -> Said:
    found: Said = {**_WAITS, "proxy": None, "ping_interval": None}
    for name in ("compression", "subprotocols", "origin", "proxy", "additional_headers"):
        if name in options:
            found[name] = options[name]
    if "deflate" in options:
        found["extensions"] = [ClientPerMessageDeflateFactory(**options["deflate"])]
        found["compression"] = None
    if "ca" in options:
        found["ssl"] = ssl.create_default_context(cafile=options["ca"])
        found["server_hostname"] = "localhost"
    return found


async def _follow(talk: Talk, steps: list[list[Any]]) -> Said:
    outcomes: list[Any] = []
    for name, *arguments in steps:
        outcome: Any = None
        if name == "send":
            await talk.send(_unpacked(arguments[0]))
        elif name == "fragments":
            await talk.send_fragments([_unpacked(piece) for piece in arguments])
        elif name == "receive":
            message = await asyncio.wait_for(talk.receive(), WAIT_S)
            outcome = None if message is None else _packed(message)
        elif name == "ping":
            await asyncio.wait_for(talk.ping(), WAIT_S)
        elif name == "about":
            outcome = talk.about()
        elif name == "close":
            await talk.close(*arguments)
        outcomes.append(outcome)
    return {"outcomes": outcomes}


async def _visit_websockets(uri: str, options: Said, steps: list[list[Any]]) -> Said:
    async with websockets.asyncio.client.connect(uri, **_client_options(options)) as connection:
        talk = OfWebsockets(connection)
        said = await _follow(talk, steps)
    return {**said, "closing": talk.closing()}


async def _visit_sync(uri: str, options: Said, steps: list[list[Any]]) -> Said:
    connection = await asyncio.to_thread(lambda: websockets.sync.client.connect(uri, **_client_options(options)))
    talk = OfSyncWebsockets(connection)
    try:
        said = await _follow(talk, steps)
    finally:
        await asyncio.to_thread(connection.close)
    return {**said, "closing": talk.closing()}


async def _visit_aiohttp(uri: str, options: Said, steps: list[list[Any]]) -> Said:
    given: Said = {"compress": options.get("window_bits", 15), "max_msg_size": MAX_MESSAGE, "autoping": False}
    if options.get("compression", "deflate") is None:
        given["compress"] = 0
    given["protocols"] = options.get("subprotocols", ())
    given["origin"] = options.get("origin")
    given["proxy"] = options.get("proxy")
    given["headers"] = options.get("additional_headers")
    if "ca" in options:
        given["ssl"] = ssl.create_default_context(cafile=options["ca"])
        given["server_hostname"] = "localhost"
    async with aiohttp.ClientSession() as session, session.ws_connect(uri, **given) as connection:
        talk = OfAiohttp(connection, connection._response.headers)
        said = await _follow(talk, steps)
        await connection.close()
    return {**said, "closing": talk.closing()}


_VISITS: Final[dict[str, Callable[..., Awaitable[Said]]]] = {
    "websockets": _visit_websockets,
    "sync": _visit_sync,
    "aiohttp": _visit_aiohttp,
}


async def _visit(library: str, uri: str, options: Said, steps: list[list[Any]]) -> Said:
    try:
        return await _VISITS[library](uri, options, steps)
    except InvalidStatus as error:
        refusal = error.response
        body = bytes(refusal.body or b"").decode()
        return {"refused": [refusal.status_code, dict(refusal.headers.raw_items()), body]}
    except aiohttp.WSServerHandshakeError as error:
        return {"refused": [error.status, dict(error.headers or {}), None]}
    except (InvalidHandshake, aiohttp.ClientError) as error:
        return {"failed": f"{type(error).__name__}: {error}"}


# -- the program


async def _run(servers: Servers, command: Said) -> Said:
    given = dict(command)
    del given["id"]
    match given.pop("do"):
        case "serve":
            return await servers.serve(**given)
        case "ended":
            return await servers.ended(**given)
        case _:
            return await _visit(**given)


async def _answer(servers: Servers, command: Said) -> None:
    try:
        said = await _run(servers, command)
    except Exception as error:  # told to the test, which fails by it
        said = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps({"id": command["id"], **said}) + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Run until the commands end, or somebody ends the process: nobody waits for what is still open."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    servers = Servers()
    running: set[asyncio.Task[None]] = set()
    while line := await asyncio.to_thread(sys.stdin.readline):
        task = asyncio.create_task(_answer(servers, json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
