"""Datagram cosockets for Lua: lasa's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lasa.lua._api.sockets import direct, text_argument
from lasa.socket import UdpSocket

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["natives"]


class LuaUdpSocket(UdpSocket):
    """A socket that Lua's collector closes."""

    __slots__ = ()

    warns_unclosed = False


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return what the methods of a socket need; the first argument is the UdpSocket."""
    settings = runtime.settings

    def udp(is_safe: bool) -> UdpSocket:
        sock = LuaUdpSocket()
        settimeout(sock, 0, is_safe)
        return sock

    def settimeout(sock: UdpSocket, timeout: float, is_safe: bool) -> None:
        default = settings.safe_timeouts_s if is_safe else settings.timeouts_s
        sock.settimeout(timeout if timeout >= 1 else default["read_s"] * 1000)

    def receivefrom(sock: UdpSocket, size: Any = None) -> tuple[Any, ...]:
        data, err, address = sock.receivefrom(size)
        if data is None or address is None:
            return data, err
        return data, None, *[text.encode() if isinstance(text, str) else text for text in address]

    return {
        "udp": udp,
        "settimeout": settimeout,
        "setpeername": lambda sock, host, port=None: sock.setpeername(text_argument(host), port),
        "setsockname": lambda sock, ip=None, port=None: sock.setsockname(text_argument(ip), port),
        "bind": lambda sock, ip=None: sock.bind(text_argument(ip)),
        "getsockname": direct(UdpSocket.getsockname),
        "send": UdpSocket.send,
        "sendto": lambda sock, data, host, port=None: sock.sendto(data, text_argument(host), port),
        "receive": UdpSocket.receive,
        "receivefrom": receivefrom,
        "close": direct(UdpSocket.close),
    }
