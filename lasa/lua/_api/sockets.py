"""Stream cosockets for Lua: lasa's own. Those that may wait are called by the driver, the others by Lua itself."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from lasa._address import is_unix, parse_address
from lasa._stream import DEFAULT_LIMITS, Limits
from lasa.errors import SocketError, system_error
from lasa.lua._driver import failure_of
from lasa.lua._tls import chain_is_too_long
from lasa.lua.settings import BadSetting
from lasa.socket import TcpSocket

if TYPE_CHECKING:
    from lasa._stream import Certificate
    from lasa.lua._resolver import Resolver
    from lasa.lua.runtime import Runtime

__all__ = ["address_of", "direct", "natives", "text_argument", "texts"]

_SSL_PLACE: Final = re.compile(r"^\[.*?\] | \(_ssl\.c:\d+\)$")


class LuaTcpSocket(TcpSocket):
    """A socket that Lua's collector closes, as OpenResty's does, and that asks the name servers of the settings.

    Attributes:
        resolver: for names; None for the system's.
        certificate: of the client, where setclientcert() has given none.
    """

    __slots__ = ("certificate", "resolver")

    keeps_dubious = True
    warns_unclosed = False

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(limits)
        self.resolver: Resolver | None = None
        self.certificate: Certificate | None = None

    @property
    def client_certificate(self) -> Certificate | None:
        """The files that setclientcert() was given, else those of the settings."""
        return super().client_certificate or self.certificate

    def addresses_of(self, host: str, timeout_s: float) -> list[tuple[int, str]]:
        """Look a host up. Switches: for names."""
        if self.resolver is None:
            return super().addresses_of(host, timeout_s)
        return self.resolver.addresses_of(host, timeout_s)


def direct(method: Callable[..., tuple[Any, ...]]) -> Callable[..., Any]:
    """Return a door that Lua itself may call: what it answers has Lua's form, as the driver gives it to the others."""

    def call(*arguments: Any) -> Any:
        values = method(*arguments)
        if values[0] is None:
            return failure_of(values)
        if values[-1] is None:
            return values[0]
        return tuple([value.encode() if isinstance(value, str) else value for value in values])

    return call


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return what the methods of a socket need; the first argument is the TcpSocket."""
    settings = runtime.settings

    def tcp(is_safe: bool) -> TcpSocket:
        sock = LuaTcpSocket()
        sock.resolver = runtime.resolver
        sock.certificate = runtime.tls.certificate
        sock.limit_waits(**(settings.safe_timeouts_s if is_safe else settings.timeouts_s))
        return sock

    def settimeouts(sock: TcpSocket, connect: float, send: float, read: float, is_safe: bool) -> None:
        default = settings.safe_timeouts_s if is_safe else settings.timeouts_s
        sock.limit_waits(
            connect_s=int(connect) / 1000 if connect >= 1 else default["connect_s"],
            send_s=int(send) / 1000 if send >= 1 else default["send_s"],
            read_s=int(read) / 1000 if read >= 1 else default["read_s"],
        )

    def connect(
        sock: TcpSocket,
        host: bytes,
        port: Any = None,
        pool: bytes | None = None,
        pool_size: Any = None,
        backlog: Any = None,
    ) -> Any:
        try:
            name, port = address_of(host, port)
        except SocketError as error:
            return None, error.reason
        return sock.connect(name, port, pool=text_argument(pool), pool_size=pool_size, backlog=backlog)

    def receiveuntil(sock: TcpSocket, pattern: bytes, inclusive: bool) -> Any:
        return sock.receiveuntil(pattern, inclusive=inclusive)

    def bind(sock: TcpSocket, ip: Any, port: Any = None) -> Any:
        return sock.bind(text_argument(ip), port)

    def accept(sock: TcpSocket, is_safe: bool) -> Any:
        accepted, err = sock.accept()
        if accepted is not None:
            accepted.limit_waits(**(settings.safe_timeouts_s if is_safe else settings.timeouts_s))
        return accepted, err

    def sslhandshake(sock: TcpSocket, session: Any, name: bytes | None, verifies: bool, is_safe: bool) -> Any:
        terms = verifies, bool(name) or is_safe, sock.client_certificate
        server_name = text_argument(name) if is_safe else text_argument(name) or None  # OpenResty takes "" for none
        try:
            context, asked = runtime.tls.context(*terms), partial(runtime.tls.asked, *terms)
            shaken = sock.shake_hands(context, asked, server_name, session, takes_common_name=True)
        except SocketError as error:
            return None, error.reason
        except BadSetting:  # who wrote that is told where it is used
            raise
        except (OSError, ValueError) as error:
            return None, f"bad certificate or authorities: {file_error(error)}"
        depth = settings.ssl_verify_depth
        if verifies and depth is not None and sock.tls is not None and chain_is_too_long(sock.tls, depth):
            sock.close()
            return None, "22: certificate chain too long"
        return shaken, None

    def sslaccept(sock: TcpSocket, certificate: bytes | None = None, key: bytes | None = None) -> Any:
        files = text_argument(certificate), text_argument(key)
        if not certificate and settings.ssl_certificate:
            files = settings.ssl_certificate, text_argument(key) or settings.ssl_certificate_key
        try:
            return sock.sslaccept(*files)
        except ValueError as error:
            return None, f"bad certificate: {file_error(error)}"

    def setclientcert(sock: TcpSocket, certificate: bytes | None = None, key: bytes | None = None) -> Any:
        try:
            return sock.setclientcert(text_argument(certificate), text_argument(key))
        except ValueError as error:
            return None, f"bad client certificate: {file_error(error)}"

    def setclientcert_text(sock: TcpSocket, pem: bytes) -> Any:
        try:
            path = runtime.tls.pem_files.path_of(pem)
            return sock.setclientcert(path, path)
        except (OSError, ValueError) as error:
            return None, f"bad client certificate: {file_error(error)}"

    def makes_pool(sock: TcpSocket) -> Any:
        try:
            return sock.needs_pool(), None
        except SocketError as error:
            return None, error.reason

    def setkeepalive(sock: TcpSocket, timeout: Any = None, size: Any = None) -> Any:
        timeout = settings.socket_keepalive_timeout if timeout is None else timeout
        return sock.setkeepalive(timeout, settings.socket_pool_size if size is None else size)

    def getfd(sock: TcpSocket) -> tuple[int | None, bytes | None]:
        descriptor = sock.fileno()
        return (None, b"closed") if descriptor < 0 else (descriptor, None)

    def setoption(sock: TcpSocket, name: Any = None, value: Any = None) -> Any:
        return sock.setoption(text_argument(name), value)

    return {
        "tcp": tcp,
        "connect": connect,
        "receive_line": TcpSocket.receive,
        "receive": TcpSocket.receive,
        "receiveany": TcpSocket.receiveany,
        "receiveuntil": receiveuntil,
        "send_now": TcpSocket.send_now,
        "send": TcpSocket.send,
        "bind": direct(bind),
        "listen": direct(TcpSocket.listen),
        "accept": accept,
        "sslhandshake": sslhandshake,
        "sslaccept": sslaccept,
        "setclientcert": direct(setclientcert),
        "setclientcert_text": direct(setclientcert_text),
        "close": direct(TcpSocket.close),
        "abort": TcpSocket.abort,
        "shutdown": direct(lambda sock, direction: sock.shutdown(text_argument(direction))),
        "peek": TcpSocket.peek,
        "settimeouts": settimeouts,
        "setoption": direct(setoption),
        "getoption": direct(lambda sock, name=None: sock.getoption(text_argument(name))),
        "makes_pool": direct(makes_pool),
        "setkeepalive": direct(setkeepalive),
        "getreusedtimes": direct(TcpSocket.getreusedtimes),
        "getfd": getfd,
        "getsockname": direct(TcpSocket.getsockname),
        "getpeername": direct(TcpSocket.getpeername),
    }


def file_error(error: OSError | ValueError) -> str:
    """Return what the system or OpenSSL says of a file, also where a call has made one error of all."""
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, ssl.SSLError):
        return _SSL_PLACE.sub("", cause.reason or str(cause)).replace("_", " ").lower()
    return system_error(cause).reason if isinstance(cause, OSError) else str(error)


def address_of(host: bytes, port: Any) -> tuple[str, Any]:
    """Return the host and port of a call of Lua's; a port in the host counts, see parse_address().

    Raises:
        SocketError: as parse_address().
    """
    name = text_argument(host)
    return (name, port) if is_unix(name) else parse_address(name, port)


def text_argument(value: Any) -> Any:
    """Return a Lua string as str, anything else as it is."""
    return value.decode("utf-8", "surrogateescape") if type(value) is bytes else value


def texts(value: Any) -> Any:
    """Return a value of Lua's, as to_python() gives it, with str wherever it has bytes."""
    if isinstance(value, list):
        return [texts(item) for item in value]
    if isinstance(value, Mapping):
        return {text_argument(key): texts(item) for key, item in value.items()}
    return text_argument(value)
