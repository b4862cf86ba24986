"""A bound address, and the connections that come to it."""

from __future__ import annotations

import _socket
import errno
from typing import Any, Final, Self

from lasa import _hub
from lasa._stream.dial import open_socket
from lasa._stream.link import Link, address_text
from lasa.errors import SocketError, system_error

__all__ = ["LISTEN_BACKLOG", "Listener"]

LISTEN_BACKLOG: Final = 511

# What accept() meets when the process or the system is short of something; trying again at once would spin.
_SHORTAGE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_SHORTAGE_PAUSE_S: Final = 0.05


class Listener:
    """A server's address, bound when it is made; it listens from the first accept() or listen() on.

    Attributes:
        family: of the address.
    """

    __slots__ = ("_backlog", "_is_listening", "family", "link")

    def __init__(self, family: int, address: Any, backlog: int) -> None:
        sock = open_socket(family)
        try:
            if family != _socket.AF_UNIX:
                sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
            sock.bind(address)
        except OSError as error:
            sock.close()
            raise system_error(error) from None
        self.family = family
        self.link = Link(sock)
        self._backlog = backlog
        self._is_listening = False

    @classmethod
    def of(cls, sock: _socket.socket) -> Self:
        """Return the listener of a kernel socket that listens already: somebody else has bound it."""
        listener = cls.__new__(cls)
        listener.family = sock.family
        listener.link = Link(sock)
        listener._backlog = LISTEN_BACKLOG
        listener._is_listening = True
        return listener

    @classmethod
    def on(cls, descriptor: int) -> Self:
        """Take over a descriptor that listens already, such as one of a process above or of systemd.

        Raises:
            SocketError: "bad file descriptor" and other words of the system; "invalid argument", it does not listen,
            and stays the caller's.
        """
        try:
            sock = _socket.socket(fileno=descriptor)
        except OSError as error:
            raise system_error(error) from None
        try:
            listens = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN)
        except OSError:  # only some systems can tell
            listens = 1
        if not listens or sock.type != _socket.SOCK_STREAM:
            sock.detach()
            raise SocketError("invalid argument")
        return cls.of(sock)

    @property
    def name(self) -> tuple[str, int | None]:
        """``(ip, port)``, or ``("unix:/path", None)``."""
        return address_text(self.link.sock.getsockname(), self.family)

    @property
    def is_listening(self) -> bool:
        """Whether the system takes connections."""
        return self._is_listening

    def listen(self) -> None:
        """Have the system take connections, up to the backlog; nothing more happens the second time."""
        if self._is_listening:
            return
        try:
            self.link.sock.listen(self._backlog)
        except OSError as error:
            raise system_error(error) from None
        self._is_listening = True

    def accept(self, timeout_s: float) -> Link:
        """Return the link of the next connection.

        A shortage of descriptors is waited out within the time, rather than reported at once: the connection stays
        in the queue, and a serving loop would spin.

        Raises:
            SocketTimeout; SocketClosed: closed meanwhile; SocketError.
        Switches: when no connection waits.
        """
        self.listen()
        sock = self.link.sock
        deadline = _hub.Deadline(timeout_s)
        self.link.breathe()  # a flood of connects must not keep those accepted from being served
        while True:
            try:
                descriptor, address = sock._accept()  # type: ignore[attr-defined]
            except BlockingIOError:
                self.link.readable.wait(deadline.left_s)
            except ConnectionAbortedError:
                continue  # the peer gave up while it stood in the queue
            except OSError as error:
                if error.errno not in _SHORTAGE or not deadline.left_s:
                    raise system_error(error) from None
                _hub.sleep_s(_SHORTAGE_PAUSE_S)
            else:
                break
        accepted = _socket.socket(self.family, _socket.SOCK_STREAM, 0, descriptor)
        if self.family != _socket.AF_UNIX:
            accepted.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        return Link(accepted, address)

    def close(self) -> None:
        """Give the address back. Never switches."""
        self.link.close()
