"""One kernel socket: the only place that calls recv, send and accept.

Built on the unpatched ``_socket.socket``, so it is the same before and after gevent.monkey.patch_all().
A link raises what happened; it keeps no bytes and knows nothing of halves or busy words.
"""

from __future__ import annotations

import _socket
import select
from collections.abc import Callable
from fcntl import ioctl
from sys import byteorder
from termios import TIOCOUTQ
from typing import Any, Final, NoReturn, Protocol

from lasa import _hub, _process
from lasa._hub import CALL_COST, READ, WRITE
from lasa._stream.identity import Identity
from lasa.errors import SocketClosed, system_error

__all__ = ["Link", "Stream", "address_text"]


# What poll() calls the end of the peer's stream; only Linux tells it while bytes are unread.
PEER_ENDED: Final[int] = getattr(select, "POLLRDHUP", select.POLLHUP)

_TCP_INFO: Final[int | None] = getattr(_socket, "TCP_INFO", None)
_BYTES_ACKED: Final = slice(120, 128)  # within Linux's struct tcp_info


class Stream(Protocol):
    """What the TCP driver needs of a connection: a Link, or TLS over one."""

    @property
    def hub(self) -> _hub.Scheduler: ...
    def recv(self, size: int, timeout_s: float, try_first: bool) -> bytes: ...
    def recv_now(self, size: int) -> bytes | None: ...
    def send(self, data: bytes | memoryview, timeout_s: float) -> None: ...
    def send_now(self, data: bytes) -> int: ...
    def flush(self, timeout_s: float) -> None: ...
    @property
    def has_unsent(self) -> bool: ...
    @property
    def holds_input(self) -> bool: ...
    @property
    def is_inherited(self) -> bool: ...
    @property
    def identities(self) -> tuple[Identity, ...]: ...
    @property
    def certificates(self) -> tuple[object, ...]: ...
    def has_input(self) -> bool: ...
    def shutdown(self, how: int) -> None: ...
    def close(self) -> None: ...


class _NoGate:
    """In the place of a gate through which nobody may wait."""

    def wait(self, timeout_s: float) -> NoReturn:
        """Raise SocketClosed. Never switches."""
        raise SocketClosed

    def close(self) -> None:
        """Give nothing back."""


_NO_GATE: Final = _NoGate()


class Link:
    """A non-blocking kernel socket with a gate for each direction, made when it is first waited for.

    Attributes:
        hub: the scheduler of the OS thread in which it was made.
        is_open: whether close() was not called.
        peer: of an accepted connection: the address of the other end, which the kernel forgets as soon as that breaks
            the connection.
        has_unsent: whether send_now() has taken bytes that have not left: never, here.
        holds_input: whether bytes have left the kernel that recv() has not returned, so that no event tells of them:
            never, here.
        is_inherited: whether the process that has opened it is the parent of this one, and may be using it.
        identities: what TLS was made with, the outer one first: (), without TLS.
        certificates: of clients, that it was made under.
    """

    is_inherited = False
    has_unsent: Final = False
    holds_input: Final = False
    identities: Final[tuple[Identity, ...]] = ()
    certificates: Final[tuple[object, ...]] = ()

    __slots__ = ("_readable", "_writable", "hub", "is_open", "peer", "sock")

    def __init__(self, sock: _socket.socket, peer: Any = None) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.peer = peer
        self.hub = _hub.scheduler()
        self._readable: _hub.Gate | None = None
        self._writable: _hub.Gate | _NoGate | None = None
        self.is_open = True

    @property
    def readable(self) -> _hub.Gate:
        """The gate of the read direction."""
        if self._readable is None:
            self._readable = _hub.Gate(self.hub, self.sock.fileno(), READ)
        return self._readable

    @property
    def writable(self) -> _hub.Gate | _NoGate:
        """The gate of the write direction."""
        if self._writable is None:
            self._writable = _hub.Gate(self.hub, self.sock.fileno(), WRITE)
        return self._writable

    def close_writable(self) -> None:
        """Give the write gate back, where the next wait is far: most connections only wait to connect."""
        if self._writable is not None:
            self._writable.close()
            self._writable = None

    def end_waits_to_send(self) -> None:
        """Raise SocketClosed in every send that waits, or would have to, until allow_waits_to_send()."""
        self.close_writable()
        self._writable = _NO_GATE

    def allow_waits_to_send(self) -> None:
        """Let sends wait again."""
        if self._writable is _NO_GATE:
            self._writable = None

    def breathe(self, cost: int = CALL_COST) -> None:
        """Step aside if the slice is spent, before a call that may find its answer there at once, again and again.

        Raises:
            SocketClosed: another light thread closed the link meanwhile.
        Switches: seldom, see Scheduler.breathe().
        """
        hub = self.hub
        hub.credit -= cost
        if hub.credit < 0 and hub.owes_turn():
            hub.step_aside()
            if not self.is_open:
                raise SocketClosed

    def recv(self, size: int, timeout_s: float, try_first: bool) -> bytes:
        """Return 1 to ``size`` bytes, b"" at the end of the stream.

        Waiting first is the rule, since after a request nothing has come yet and a vain recv() costs a system
        call and an exception; with ``try_first`` the bytes are expected to be there already.

        Raises:
            SocketTimeout, SocketClosed (closed meanwhile by another light thread), SocketError.
        Switches: whenever it has to wait.
        """
        gate = self._readable or self.readable
        if try_first:
            self.breathe(size)  # a peer that floods is read without waiting
        else:
            gate.wait(timeout_s)
        while True:
            try:
                return self.sock.recv(size)
            except BlockingIOError:
                pass
            except OSError as error:
                raise system_error(error) from None
            gate.wait(timeout_s)

    def recv_now(self, size: int) -> bytes | None:
        """Return what is there, b"" at the end of the stream, None if nothing has come. Never switches."""
        try:
            return self.sock.recv(size)
        except BlockingIOError:
            return None
        except OSError as error:
            raise system_error(error) from None

    def send(self, data: bytes | memoryview, timeout_s: float) -> None:
        """Hand all of ``data`` to the kernel; the timeout is for each wait without progress.

        Raises:
            SocketTimeout, SocketClosed, SocketError: part of the data may have left.
        Switches: when the kernel's buffer is full, or the slice is spent.
        """
        size = len(data)
        hub = self.hub
        hub.credit -= CALL_COST + size
        if hub.credit < 0:  # to a peer that reads as fast
            self.breathe(0)
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise system_error(error) from None
        if sent == size:
            return
        rest = memoryview(data)[sent:]
        wait = self.writable.wait
        while rest:
            wait(timeout_s)
            rest = rest[self.send_now(rest) :]

    def send_now(self, data: bytes | memoryview) -> int:
        """Hand over what the kernel takes at once, and return how much. Never switches."""
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise system_error(error) from None

    def flush(self, timeout_s: float) -> None:
        """Let leave what send_now() has taken: nothing, here."""

    def has_input(self) -> bool:
        """Whether a byte has come that nobody has read; the end of the stream is none. Never switches.

        Raises:
            SocketClosed: the stream has ended. SocketError: it broke.
        """
        try:
            if self.sock.recv(1, _socket.MSG_PEEK):
                return True
        except BlockingIOError:
            return False
        except OSError as error:
            raise system_error(error) from None
        raise SocketClosed

    def backlog(self) -> tuple[int, int]:
        """Return how much the peer's system has taken of what was sent, and how many bytes it has not taken yet.

        The first is a number that grows; its size says nothing. ``(0, 0)`` where the system does not tell. Never
        switches.
        """
        try:
            left = int.from_bytes(ioctl(self.sock.fileno(), TIOCOUTQ, b"\0\0\0\0"), byteorder)
        except OSError:
            return 0, 0
        if _TCP_INFO is not None and self.sock.family != _socket.AF_UNIX:
            info = self.sock.getsockopt(_socket.IPPROTO_TCP, _TCP_INFO, _BYTES_ACKED.stop)
            if len(info) == _BYTES_ACKED.stop:
                return int.from_bytes(info[_BYTES_ACKED], byteorder), left
        return -left, left  # which grows unless more is sent meanwhile

    def has_ended(self) -> bool:
        """Whether the peer has ended the stream, also where bytes of it are unread. Never switches."""
        poll = _hub.os_poll()
        poll.register(self.sock, PEER_ENDED)
        return bool(poll.poll(0))

    def shutdown(self, how: int) -> None:
        """End one or both directions, as the system does."""
        try:
            self.sock.shutdown(how)
        except OSError as error:
            raise system_error(error) from None

    def close(self) -> None:
        """Close; whoever waits on it gets SocketClosed. Never switches."""
        if not self.is_open:
            return
        self.is_open = False
        if self._readable is not None:
            self._readable.close()
        self.close_writable()
        self.sock.close()

    def refuse_others(self, what: str) -> None:
        """Raise RuntimeError in another OS thread than the link's own. Never switches."""
        if _hub.get_hub_if_exists() is not self.hub.gevent_hub:
            raise _hub.wrong_os_thread(what)

    def call_at_home(self, function: Callable[[], None]) -> None:
        """Call ``function`` in the OS thread whose hub the link was made in: at once if that is the caller's.

        For a collector, which may run in any. Never switches.
        """
        if _hub.is_current(self.hub):
            function()
            return
        try:
            self.hub.loop.run_callback_threadsafe(function)
        except ValueError:  # that hub was destroyed; nobody waits there any more
            self.sock.close()


class _InheritedLink(Link):
    """A link in a child of the process that has opened it."""

    __slots__ = ()
    is_inherited = True

    @classmethod
    def mark(cls, link: Link) -> None:
        """Make a link one that was inherited."""
        link.__class__ = cls


_process.inherited(Link, _InheritedLink.mark)


def address_text(address: Any, family: int) -> tuple[str, int | None]:
    """Return a kernel address as ``(ip, port)``, or ``("unix:path", None)``."""
    if family == _socket.AF_UNIX:
        path = address.decode("utf-8", "surrogateescape") if isinstance(address, bytes) else address
        return f"unix:{path}", None
    return address[0], address[1]
