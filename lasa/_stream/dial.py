"""Open a connection: look the name up, try every address, all inside one deadline (RFC 8305)."""

from __future__ import annotations

import _socket
import errno
from _socket import EAI_AGAIN, EAI_NONAME
from collections import deque
from math import inf

from lasa import _hub
from lasa._address import ip_family, race_order
from lasa._hub import Chorus, Deadline
from lasa._stream.link import Link
from lasa.errors import ConnectError, NameNotFound, SocketError, SocketTimeout, copy_of, system_error

__all__ = ["addresses_of", "dial", "dial_unix", "open_socket"]

ATTEMPT_DELAY_S = 0.25  # RFC 8305, section 5: the next address is tried when the one before is silent so long
UNIX_RETRY_S = 0.01
IN_PROGRESS = (errno.EINPROGRESS, errno.EALREADY)


def open_socket(family: int, kind: int = _socket.SOCK_STREAM) -> _socket.socket:
    """Return a new non-blocking kernel socket that child processes do not inherit.

    Raises:
        SocketError: the system's word, such as "too many open files".
    """
    try:
        sock = _socket.socket(family, kind)
    except OSError as error:
        raise system_error(error) from None
    sock.setblocking(False)
    return sock


def addresses_of(host: str, timeout_s: float) -> list[tuple[int, str]]:
    """Return the ``(family, ip)`` of a literal or a name, in the order to try them.

    Raises:
        NameNotFound: "NAME could not be resolved (…)".
    Switches: for names only.
    """
    family = ip_family(host)
    if family is not None:
        return [(family, host)]
    try:
        return race_order(_hub.resolve(host, timeout_s))
    except _hub.ResolveError as error:
        raise _not_found(host, error.reason) from None


def _not_found(host: str, reason: str) -> NameNotFound:
    failure = NameNotFound(f"{host} could not be resolved ({reason})")
    failure.errno = EAI_NONAME if reason.startswith("3:") else EAI_AGAIN
    return failure


def dial(addresses: list[tuple[int, str]], port: int, deadline: Deadline, local: tuple[int, str, int] | None) -> Link:
    """Connect to the first of ``addresses`` that answers.

    Args:
        local: ``(family, ip, port)`` to bind to first; addresses of another family are not tried.
    Raises:
        SocketTimeout, SocketError: the last address's own word, with what was tried as its attempts.
    Switches: whenever it has to wait. A foreign exception leaves nothing open.
    """
    if local is not None:
        addresses = [address for address in addresses if address[0] == local[0]]
        if not addresses:
            raise ConnectError("cannot assign requested address")
    attempts: dict[str, SocketError | None] = {}  # in the order of the tries; None while nobody knows
    try:
        if len(addresses) == 1:
            return _dial_one(*addresses[0], port, deadline, local)
        return _race(addresses, port, deadline, local, attempts)
    except SocketError as error:
        attempts = attempts or {addresses[0][1]: copy_of(error)}
        error.attempts = tuple((ip, tried or SocketTimeout()) for ip, tried in attempts.items())
        raise


def _begin(family: int, ip: str, port: int, local: tuple[int, str, int] | None) -> tuple[_socket.socket, bool]:
    # Returns the socket and whether it is connected already.
    sock = open_socket(family)
    try:
        sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        if local is not None:
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
            sock.bind(local[1:])
        code = sock.connect_ex((ip, port))
    except OSError as error:
        sock.close()
        raise system_error(error) from None
    except BaseException:
        sock.close()
        raise
    if code and code not in IN_PROGRESS:
        sock.close()
        raise system_error(OSError(code, ""))
    return sock, not code


def _dial_one(family: int, ip: str, port: int, deadline: Deadline, local: tuple[int, str, int] | None) -> Link:
    sock, is_connected = _begin(family, ip, port, local)
    link = Link(sock)
    if is_connected:
        return link
    try:
        link.writable.wait(deadline.left_s)
        link.close_writable()
        _raise_pending_error(sock)
    except BaseException:
        link.close()
        raise
    return link


def _race(
    addresses: list[tuple[int, str]],
    port: int,
    deadline: Deadline,
    local: tuple[int, str, int] | None,
    attempts: dict[str, SocketError | None],
) -> Link:
    waiting = deque(addresses)
    flying: dict[int, tuple[_socket.socket, str]] = {}
    chorus = Chorus()
    last = SocketError("error")
    try:
        while waiting or flying:
            ip = ""
            try:
                if waiting:
                    family, ip = waiting.popleft()
                    attempts[ip] = None
                    sock, is_connected = _begin(family, ip, port, local)
                    if is_connected:
                        return Link(sock)
                    flying[sock.fileno()] = sock, ip
                    chorus.add(sock.fileno())
                descriptor = _next_landing(chorus, deadline, may_start_another=bool(waiting))
                if descriptor is None:
                    continue
                chorus.remove(descriptor)
                sock, ip = flying.pop(descriptor)
                try:
                    _raise_pending_error(sock)
                except SocketError:
                    sock.close()
                    raise
                return Link(sock)
            except SocketTimeout:
                raise
            except SocketError as error:
                last = attempts[ip] = copy_of(error)
        raise copy_of(last)
    finally:
        for descriptor, (sock, _) in flying.items():
            chorus.remove(descriptor)
            sock.close()


def _next_landing(chorus: Chorus, deadline: Deadline, *, may_start_another: bool) -> int | None:
    # Returns the descriptor whose connect has come to its end, or None when it is time to try the next address.
    while True:
        descriptor = chorus.wait(deadline.left_of(ATTEMPT_DELAY_S if may_start_another else inf))
        if descriptor is not None or may_start_another:
            return descriptor


def _raise_pending_error(sock: _socket.socket) -> None:
    code = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
    if code:
        raise system_error(OSError(code, ""))


def dial_unix(path: bytes, deadline: Deadline) -> Link:
    """Connect to a unix stream socket; otherwise as dial(). It waits only while the listener's queue is full."""
    sock = open_socket(_socket.AF_UNIX)
    try:
        while (code := sock.connect_ex(path)) == errno.EAGAIN:
            # The listener's queue is full, and the system offers no event for its draining.
            deadline.left_of(UNIX_RETRY_S)
            _hub.sleep_s(UNIX_RETRY_S)
        if code:
            raise system_error(OSError(code, ""))
        return Link(sock)
    except BaseException:
        sock.close()
        raise
