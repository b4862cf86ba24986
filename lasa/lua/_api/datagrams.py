"""Datagram cosockets for Lua: lasa's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from lasa.errors import SocketError
from lasa.lua._api.sockets import address_of, direct, text_argument
from lasa.socket import UdpSocket

if TYPE_CHECKING:
    from lasa.lua._resolver import Resolver
    from lasa.lua.runtime import Runtime

__all__ = ["natives"]

LARGEST_PAYLOAD: Final = 65507  # of a datagram over IPv4


class LuaUdpSocket(UdpSocket):
    """A socket that Lua's collector closes, as OpenResty's does, and that asks the name servers of the settings.

    Attributes:
        resolver: for names; None for the system's.
    """

    __slots__ = ("resolver",)

    warns_unclosed = False

    def __init__(self) -> None:
        super().__init__()
        self.resolver: Resolver | None = None

    def addresses_of(self, host: str, timeout_s: float) -> list[tuple[int, str]]:
        """Look a host up. Switches: for names."""
        if self.resolver is None:
            return super().addresses_of(host, timeout_s)
        return self.resolver.addresses_of(host, timeout_s)


class NgxUdpSocket(LuaUdpSocket):
    """The socket of ngx.socket.udp(), whose receive() takes whatever fits into a datagram."""

    __slots__ = ()

    largest_receive: ClassVar = LARGEST_PAYLOAD


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return what the methods of a socket need; the first argument is the UdpSocket."""
    settings = runtime.settings

    def udp(is_safe: bool) -> UdpSocket:
        sock = LuaUdpSocket() if is_safe else NgxUdpSocket()
        sock.resolver = runtime.resolver
        settimeout(sock, 0, is_safe)
        return sock

    def settimeout(sock: UdpSocket, timeout: float, is_safe: bool) -> None:
        default = settings.safe_timeouts_s if is_safe else settings.timeouts_s
        sock.settimeout(timeout if timeout >= 1 else default["read_s"] * 1000)

    def setpeername(sock: UdpSocket, host: bytes, port: Any = None) -> Any:
        try:
            name, port = address_of(host, port)
        except SocketError as error:
            return None, error.reason
        return sock.setpeername(name, port)

    def receivefrom(sock: UdpSocket, size: Any = None) -> tuple[Any, ...]:
        data, err, address = sock.receivefrom(size)
        if data is None or address is None:
            return data, err
        return data, None, *[text.encode() if isinstance(text, str) else text for text in address]

    return {
        "udp": udp,
        "settimeout": settimeout,
        "setpeername": setpeername,
        "setsockname": direct(lambda sock, ip, port=None: sock.setsockname(text_argument(ip), port)),
        "bind": direct(lambda sock, ip: sock.bind(text_argument(ip))),
        "getsockname": direct(UdpSocket.getsockname),
        "send": UdpSocket.send,
        "sendto": lambda sock, data, host, port=None: sock.sendto(data, text_argument(host), port),
        "receive": UdpSocket.receive,
        "receivefrom": receivefrom,
        "close": direct(UdpSocket.close),
    }
