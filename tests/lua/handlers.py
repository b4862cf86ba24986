"""Content handlers in Lua behind a server in this process, and what they answer."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lasa.http import server as http_server
from lasa.lua import Runtime, Settings
from lasa.lua.serving import handler_of
from tests.http.tools import Answer, answers, serving, talk

__all__ = ["ask", "body_of", "head", "running", "talk_lua"]


def head(
    target: str = "/", *, method: str = "GET", version: str = "1.1", headers: tuple[str, ...] = (), body: bytes = b""
) -> bytes:
    """A request whose answer ends the connection."""
    lines = [f"{method} {target} HTTP/{version}", "Host: a.test", "Connection: close", *headers]
    if body and not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def running(
    code: str, *, settings: Settings | None = None, **options: Any
) -> Iterator[tuple[Runtime, http_server.Server]]:
    """A server whose handler is Lua code, in a runtime of its own, until the body ends."""
    runtime = Runtime(settings=settings or Settings())
    try:
        handler = handler_of(runtime, runtime.load(textwrap.dedent(code), "@handler.lua"))
        with serving(handler, **options) as server:
            yield runtime, server
    finally:
        runtime.close()


def talk_lua(code: str, request: bytes, **options: Any) -> bytes:
    """What a handler sends for these bytes, until the connection ends."""
    with running(code, **options) as (_, server):
        return talk(server, request)


def ask(code: str, target: str = "/", **request: Any) -> Answer:
    """The one answer of a handler to a request."""
    method = request.get("method", "GET")
    [answer] = answers(talk_lua(code, head(target, **request)), method)
    return answer


def body_of(code: str, target: str = "/", **request: Any) -> str:
    """The body of that answer, which has to be a 200."""
    answer = ask(code, target, **request)
    assert answer.status == 200, answer
    return answer.body.decode()
