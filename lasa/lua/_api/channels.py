"""Channels for Lua: lasa's own, through which Lua's values go as Python's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lasa._channel import Channel
from lasa.lua._api.sockets import direct
from lasa.lua._driver import Values

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["natives"]


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return new, send and receive (which switch), count and close."""

    def send(channel: Channel, value: Any = None, timeout_s: float | None = None) -> tuple[int | None, str | None]:
        return channel.send(runtime.converter.to_python(value), timeout_s)

    def receive(channel: Channel, timeout_s: float | None = None) -> Values:
        value, err = channel.receive(timeout_s)
        return Values(runtime.converter.to_lua(value)) if err is None else Values(None, err.encode())

    return {"new": Channel, "send": send, "receive": receive, "count": Channel.__len__, "close": direct(Channel.close)}
