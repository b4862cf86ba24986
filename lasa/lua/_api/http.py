"""The HTTP client for Lua: lasa.http.client, with Lua's tables as requests and answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from lasa.errors import SocketError
from lasa.http import client
from lasa.lua._api.sockets import direct, text_argument, texts
from lasa.lua._driver import Values

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["natives"]

# Bytes as they are; what else comes from Lua as bytes is text to the client.
_BYTES: Final = frozenset(("body", "files", "form", "headers", "progress"))


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return new, request and close of a client; next_piece, read and give_up of an answer, and its trailers.

    request, next_piece and read may switch; new, too, belongs to the driver, since it looks into a table.
    """

    def options_of(table: Any, context: int) -> dict[str, Any]:
        given = runtime.converter.to_python(table, context)
        return (
            {text_argument(name): _option(text_argument(name), value) for name, value in given.items()} if given else {}
        )

    def new(options: Any, context: int) -> client.Client:
        return client.new(options_of(options, context))[0]

    def request(self: client.Client, req: Any, context: int) -> Values:
        ok, response, reader = self.request(
            {"url": text_argument(req)} if type(req) is bytes else options_of(req, context)
        )
        if not ok:
            return Values(None, str(response).encode("utf-8", "surrogateescape"))
        return Values(
            True,
            response,
            reader,
            response.code,
            response.status.encode("latin-1"),
            response.body,
            response.url.encode(),
            response.http_version.encode(),
            response.method.encode(),
            _flat(response.headers),
        )

    return {
        "new": new,
        "request": request,
        "close": direct(client.Client.close),
        "next_piece": _next_piece,
        "read": _read,
        "give_up": client.Response.close,
        "trailers": lambda response: _flat(response.trailers),
    }


def _next_piece(reader: Callable[[], client.Piece | None]) -> Values:
    piece = reader()
    if piece is None:
        return Values()
    return Values(True, piece.body, None if piece.err is None else piece.err.encode())


def _read(response: client.Response) -> Values:
    try:
        return Values(response.read())
    except SocketError as error:
        return Values(None, error.reason.encode(), error.partial)


def _flat(headers: Any) -> bytes:
    # One string for all of them, since neither names nor values have such bytes in them.
    return b"".join([f"{name}\n{value}\n".encode("latin-1") for name, value in headers.items()])


def _option(name: str, value: Any) -> Any:
    """Return the value of an option as the client takes it."""
    if name == "headers" and isinstance(value, Mapping):
        return {key: None if item is False else item for key, item in value.items()}
    if name == "body" and callable(value):
        return partial(_piece_of, value)
    if name == "body" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if name == "files" and isinstance(value, Mapping):
        return {key: _file(file) if isinstance(file, list) else file for key, file in value.items()}
    if name in _BYTES:
        return value
    value = texts(value)
    return tuple(value) if name == "auth" and isinstance(value, list) else value


def _file(file: list[Any]) -> tuple[Any, ...]:
    filename, content, content_type, *headers = [*file, None, None]
    return text_argument(filename), content, text_argument(content_type), texts(headers[0])


def _piece_of(reader: Callable[[], Any]) -> Any:
    """Return what a reader of Lua's returns: a piece, nil and an error, or a table with ``body`` and ``err``."""
    result = reader()
    piece: Any
    piece, err, *_ = (*result, None) if isinstance(result, tuple) else (result, None)
    if isinstance(piece, Mapping):
        piece, err = piece.get(b"body"), piece.get(b"err")
    return piece, text_argument(err)
