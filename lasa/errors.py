"""What can go wrong on a wire, as exceptions inside lasa and as words at its doors.

Inside lasa a failed wait raises a ``SocketError``; each public call has one door that turns it
into the seed's tuple ``(None, err, …)``. Who prefers exceptions wraps the call in ``check()``.
"""

from __future__ import annotations

from _socket import gaierror
from errno import ECONNREFUSED, ECONNRESET, EPIPE, errorcode
from os import strerror
from typing import Any, TypeVar, overload

__all__ = [
    "Error",
    "SocketBroken",
    "SocketClosed",
    "SocketError",
    "SocketRefused",
    "SocketReset",
    "SocketTimeout",
    "check",
    "system_error",
]

# Words of calls that are not about a socket: check() turns them into a plain Error, not into an OSError.
_NOT_OF_A_SOCKET = frozenset(
    {
        "already terminated",
        "already waited or killed",
        "invalid input",
        "killer not parent",
        "must provide a string",
        "not user thread",
        "process exiting",
        "too many pending timers",
    }
)

ValueT = TypeVar("ValueT")


class Error(Exception):
    """A call that failed, as an exception.

    Attributes:
        reason: the error word of the failed tuple; docs/semantics.md lists them all.
        partial: the bytes that did come before a read failed; None where the call was not a read.
        response: the answer of an HTTP server that has given one, such as one that refuses a WebSocket; None where
            there is none. Pickling leaves it behind.
    """

    response: Any = None

    def __init__(self, reason: str, partial: bytes | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.partial = partial

    def __str__(self) -> str:
        return self.reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.partial)


class SocketError(Error, OSError):
    """A socket call that failed; also an OSError."""


class SocketTimeout(SocketError, TimeoutError):
    """Nothing complete within the timeout; also a TimeoutError."""

    def __init__(self, reason: str = "timeout", partial: bytes | None = None) -> None:
        super().__init__(reason, partial)


class SocketClosed(SocketError, ConnectionError):
    """The connection, or this half of it, is not open; also a ConnectionError."""

    def __init__(self, reason: str = "closed", partial: bytes | None = None) -> None:
        super().__init__(reason, partial)


class SocketRefused(SocketError, ConnectionRefusedError):
    """Nobody listens there; also a ConnectionRefusedError."""


class SocketReset(SocketError, ConnectionResetError):
    """The peer broke the connection; also a ConnectionResetError."""


class SocketBroken(SocketError, BrokenPipeError):
    """The peer takes no more data; also a BrokenPipeError."""


# For who prefers exceptions: the system's words have their numbers again, and those that end connections a class.
_NUMBER_OF_WORD = {strerror(number).lower(): number for number in errorcode}
_CLASS_OF_WORD: dict[str, type[SocketError]] = {
    "timeout": SocketTimeout,
    "ping timeout": SocketTimeout,
    "closed": SocketClosed,
    strerror(ECONNREFUSED).lower(): SocketRefused,
    strerror(ECONNRESET).lower(): SocketReset,
    strerror(EPIPE).lower(): SocketBroken,
}
_TOLD_WHAT_WAS_TRIED = ("failed to ", "handshake failed: ", "ssl handshake failed: ")


def system_error(error: OSError) -> SocketError:
    """Return what the system said as a SocketError: its own text in lower case, "error" where it has no number."""
    if isinstance(error, gaierror):  # a literal whose zone names no interface; names are looked up elsewhere
        return SocketError("no such device")
    word = strerror(error.errno).lower() if error.errno else "error"
    found = _CLASS_OF_WORD.get(word, SocketError)(word)
    found.errno = error.errno
    return found


@overload
def check(result: tuple[ValueT | None, str | None]) -> ValueT: ...
@overload
def check(result: tuple[ValueT | None, str | None, bytes | None]) -> ValueT: ...
@overload
def check(result: tuple[Any, ...]) -> Any: ...
def check(result: tuple[Any, ...]) -> Any:
    """Return the value of a successful result tuple, or raise: Lua's ``assert`` for lasa's tuples.

    Args:
        result: what a lasa call returned, such as ``sock.receive()`` or ``lasa.thread.wait(t)``.
    Returns:
        The value, where only one is there: ``(data, None, None)`` gives ``data``. Of ``(True, a)`` it gives ``a``, of
        ``(True, a, b)`` the tuple ``(a, b)``; so the result of a light thread that returned a result tuple itself is
        ``check(check(lasa.thread.wait(t)))``, and a failed one raises at the first check(). The end marker of a
        reader, ``(None, None, None)``, is no failure and gives None.
    Raises:
        Error: the call failed. "timeout" is a SocketTimeout, also a TimeoutError; "closed" a SocketClosed, also a
            ConnectionError; other words of sockets are SocketErrors, also OSErrors. A word that tells what was tried
            is of the kind of its end: "failed to connect: timeout" is a SocketTimeout. What a light thread raised is
            the ``__cause__``.
    Switches: never. Source: seed, by way of Lua's ``assert(sock:receive())``.
    """
    if not isinstance(result, tuple) or not result:
        raise TypeError(f"check() takes a result tuple, got {result!r}; were the parentheses of the call forgotten?")
    first, rest = result[0], result[1:]
    if first is True and any(item is not None for item in rest):  # of thread.wait() or coroutine.resume()
        if len(rest) > 1 and rest[0] is None and isinstance(rest[1], str):
            return check(rest)  # a light thread's own result was a failure: it must not pass for a success
        return rest[0] if len(rest) == 1 else rest
    if first is not None and first is not False:
        if rest and rest[0] is not None:
            return result  # an address, which has no place for an error
        return first if all(item is None for item in rest) else (first, *rest[1:])
    reason = rest[0] if rest else None
    if first is False and rest and all(item is None for item in rest):
        return False  # a value, as a channel hands it over
    if first is None and reason is None:
        if len(rest) < 2 or not isinstance(rest[1], str):
            return None
        reason = rest[1]  # recv_frame() has the word in the third place
    if isinstance(reason, BaseException):
        raise Error(f"light thread failed: {reason!r}") from reason
    word = str(reason)
    partial = rest[1] if len(rest) > 1 and isinstance(rest[1], bytes) else getattr(reason, "partial", None)
    is_text = first is False and word not in ("timeout", "closed")  # coroutine.resume() tells why it cannot resume
    if is_text or word in _NOT_OF_A_SOCKET:
        raise Error(word, partial)
    # Only what begins so: others may quote the peer, who is not to choose the class.
    cause = word.rpartition(": ")[2] if word.startswith(_TOLD_WHAT_WAS_TRIED) else word
    failure = _CLASS_OF_WORD.get(cause, SocketError)(word, partial)
    failure.errno = _NUMBER_OF_WORD.get(cause)
    failure.response = getattr(reason, "response", None)
    raise failure
