"""WebSockets for Lua: lasa.websocket.client and lasa.websocket.server, frame by frame as the seed has them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from lasa import _hub
from lasa.lua._api.sockets import direct, text_argument, texts
from lasa.lua._driver import Values
from lasa.websocket import client, server

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["natives"]

# Headers may be any bytes; what else comes from Lua as bytes is text here.
_BYTES: Final = frozenset(("headers",))


class _Handle:
    """A WebSocket of Lua's, which Lua's collector closes without a word, as OpenResty's does."""

    __slots__ = ("_os_thread", "websocket")

    def __init__(self, websocket: Any) -> None:
        self.websocket = websocket
        self._os_thread = _hub.os_thread_id()

    def __del__(self, _is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if not _is_finalizing() and _hub.os_thread_id() == self._os_thread:
            self.websocket.abort()

    def abort(self) -> None:
        """End the connection; what a script leaves open is ended with it."""
        self.websocket.abort()


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return what clients, servers and connections need; their first argument is the handle.

    new_client, connect, new_server, accept and what sends or receives belong to the driver, the others to Lua itself.
    """

    def options_of(table: Any) -> dict[str, Any]:
        given = runtime.converter.to_python(table) or {}
        if not isinstance(given.get(b"headers"), dict | list | None):
            raise TypeError("custom headers must be a table")
        return {
            text_argument(name): value if text_argument(name) in _BYTES else texts(value)
            for name, value in given.items()
        }

    def new_client(options: Any) -> _Handle:
        return _Handle(client.new(options_of(options))[0])

    def connect(handle: _Handle, uri: bytes, options: Any) -> Any:
        return handle.websocket.connect(text_argument(uri), options_of(options))

    def new_server(where: Any) -> Values:
        made, err = server.new(text_argument(where) if type(where) is bytes else options_of(where))
        if made is None:
            return Values(None, str(err).encode())
        return Values(made, made.url.encode(), made.address[1])

    def accept(listening: server.Server) -> Values:
        wb, err = listening.accept()
        return Values(None, str(err).encode()) if wb is None else Values(_Handle(wb), wb.request.raw_path.encode())

    return {
        "new_client": new_client,
        "connect": connect,
        "new_server": new_server,
        "accept": accept,
        "set_accept_timeout": server.Server.set_timeout,
        "close_server": direct(server.Server.close),
        "send_text": lambda handle, data: handle.websocket.send_text(data),
        "send_binary": lambda handle, data: handle.websocket.send_binary(data),
        "send_continue": lambda handle, data: handle.websocket.send_continue(data),
        "send_ping": lambda handle, data: handle.websocket.send_ping(data),
        "send_pong": lambda handle, data: handle.websocket.send_pong(data),
        "send_close": lambda handle, code, message: handle.websocket.send_close(code, message),
        "send_frame": lambda handle, fin, opcode, data: handle.websocket.send_frame(fin, opcode, data),
        "recv_frame": _recv_frame,
        "close": lambda handle: handle.websocket.close(),
        "abort": _Handle.abort,
        "set_timeout": lambda handle, timeout: handle.websocket.set_timeout(timeout),
        "set_keepalive": lambda handle, timeout, size: handle.websocket.set_keepalive(timeout, size),
        "protocol": lambda handle: _bytes(handle.websocket.protocol),
    }


def _recv_frame(handle: _Handle) -> Values:
    data, kind, err = handle.websocket.recv_frame()
    return Values(data, _bytes(kind), _bytes(err))


def _bytes(value: Any) -> Any:
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
