"""What can go wrong, as exceptions inside lasa and as words at the doors of the seed's calls.

What fails raises an ``Error`` once, which keeps what is known: its class, errno, what was being done, with whom. Each
public call of the seed has one door that turns it into the tuple ``(None, err, …)``; err is a ``Word``, a str that
holds the error. Who prefers exceptions wraps the call in ``check()``, which raises a copy of that error.

::

    Exception
    └ Error                       reason partial operation peer timeout_s attempts method url response
      └ SocketError (OSError)                 errno, where the system gave one
        ├ ConnectError                        no connection came about, so nothing was sent
        │ ├ SocketRefused (ConnectionRefusedError)
        │ ├ SocketNotFound (FileNotFoundError)
        │ ├ NameNotFound (socket.gaierror)
        │ ├ ConnectTimeout (also SocketTimeout)
        │ ├ PoolFull
        │ ├ ProxyError
        │ └ TlsHandshakeError (also TlsError)
        │   └ CertificateError (ssl.SSLCertVerificationError, which is a ValueError)
        ├ SocketTimeout (TimeoutError)
        ├ SystemTimeout (TimeoutError)        the system has given the peer up; no limit of ours ran out
        ├ SocketClosed (ConnectionError)
        │ └ StreamEnded (EOFError)            the peer ended in the middle of what was asked for
        ├ SocketReset (ConnectionResetError)
        ├ SocketBroken (BrokenPipeError)
        ├ SocketDenied (PermissionError)
        ├ TlsError (ssl.SSLError)             also after the handshake
        ├ SocketBusy (RuntimeError)           another light thread is at it
        ├ LimitExceeded (ValueError)
        └ BadAddress (ValueError)             an address or URL that is none

``lasa.http`` derives ProtocolError with BadRequest and DecodeError (a ValueError), BodyTooLarge (a LimitExceeded), and
RedirectError with TooManyRedirects from these; ``lasa.websocket`` HandshakeError (a ConnectError) with UpgradeRefused,
ConnectionClosed (a SocketClosed) as ConnectionClosedOK or ConnectionClosedError, PingTimeout (a SocketTimeout), and
ProtocolError (a SocketError) with MessageTooBig (also a LimitExceeded).
"""

from __future__ import annotations

import errno
import ssl
from _socket import gaierror
from collections.abc import Callable
from os import strerror
from typing import Any, Final, Self, TypeVar, overload

__all__ = [
    "BadAddress",
    "CertificateError",
    "ConnectError",
    "ConnectTimeout",
    "Error",
    "FixedWord",
    "LimitExceeded",
    "NameNotFound",
    "OPERATION_OF_STAGE",
    "PoolFull",
    "ProxyError",
    "SocketBroken",
    "SocketBusy",
    "SocketClosed",
    "SocketDenied",
    "SocketError",
    "SocketNotFound",
    "SocketRefused",
    "SocketReset",
    "SocketTimeout",
    "StreamEnded",
    "SystemTimeout",
    "TlsError",
    "TlsHandshakeError",
    "Word",
    "check",
    "copy_of",
    "error_in",
    "error_of",
    "failed",
    "retold",
    "sentence_of",
    "system_error",
    "word_of",
]

ErrorT = TypeVar("ErrorT", bound="Error")
ValueT = TypeVar("ValueT")


class Error(Exception):
    """A call that failed, as an exception.

    Attributes:
        reason: the error word of the failed tuple; docs/semantics.md lists them all.
        partial: the bytes that did come before a read failed; None where the call was not a read.
        operation: what was being done: "resolve", "pool", "connect", "proxy", "handshake", "accept", "read", "write",
            "request", "upgrade" or "wait"; None where nothing of the kind was.
        peer: with whom: "127.0.0.1:6379", "unix:/run/app.sock"; None where nobody.
        timeout_s: the limit that ran out; None where none has.
        attempts: of a dial, each address that was tried with its error, in the order of the tries.
        stage, method, url: of a request: what it was waiting for, see Word.stage; how, and for what. None of all else.
        response: the answer of an HTTP server that has given one, such as one that refuses a WebSocket; None where
            there is none. Pickling leaves it behind.
    """

    operation: str | None = None
    peer: str | None = None
    timeout_s: float | None = None
    attempts: tuple[tuple[str, SocketError], ...] = ()
    stage: str | None = None
    method: str | None = None
    url: Any = None
    response: Any = None

    def __init__(self, reason: str, partial: bytes | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.partial = partial

    def __str__(self) -> str:
        return self.reason

    @property
    def why(self) -> str:
        """The reason, with what else a sentence says of it."""
        return self.reason

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: value for name, value in self.__dict__.items() if name != "response"}
        return _made, (type(self), self.args, getattr(self, "errno", None), state)

    def during(self, operation: str | None, peer: str | None = None, timeout_s: float | None = None) -> Self:
        """Note what was being done, with whom and within which time, as far as nobody below has; returns the error."""
        if self.operation is None:
            self.operation = operation
        if self.peer is None and peer is not None:
            self.peer = peer
        if self.timeout_s is None and isinstance(self, TimeoutError) and getattr(self, "errno", None) is None:
            self.timeout_s = timeout_s  # and not of the system's own
        return self


class SocketError(Error, OSError):
    """A socket call that failed; also an OSError."""


class SocketTimeout(SocketError, TimeoutError):
    """Nothing complete within the timeout; also a TimeoutError."""

    def __init__(self, reason: str = "timeout", partial: bytes | None = None) -> None:
        super().__init__(reason, partial)


class SystemTimeout(SocketError, TimeoutError):
    """The system has given the peer up, "connection timed out"; also a TimeoutError. None of our limits ran out."""


class SocketClosed(SocketError, ConnectionError):
    """The connection, or this half of it, is not open; also a ConnectionError."""

    def __init__(self, reason: str = "closed", partial: bytes | None = None) -> None:
        super().__init__(reason, partial)


class StreamEnded(SocketClosed, EOFError):
    """The peer has ended the stream in the middle of what was asked for; also an EOFError."""


class SocketReset(SocketError, ConnectionResetError):
    """The peer broke the connection; also a ConnectionResetError."""


class SocketBroken(SocketError, BrokenPipeError):
    """The peer takes no more data; also a BrokenPipeError."""


class SocketDenied(SocketError, PermissionError):
    """The system forbids it; also a PermissionError."""


class SocketBusy(SocketError, RuntimeError):
    """Another light thread is at it, which goes on undisturbed; also a RuntimeError."""


class LimitExceeded(SocketError, ValueError):
    """The peer sends more than a limit of ours allows; also a ValueError."""


class BadAddress(SocketError, ValueError):
    """An address or URL that is none; also a ValueError."""


class TlsError(SocketError, ssl.SSLError):
    """TLS failed, in the handshake or later; also an ssl.SSLError."""


class ConnectError(SocketError):
    """No connection came about, so nothing was sent."""


class SocketRefused(ConnectError, ConnectionRefusedError):
    """Nobody listens there; also a ConnectionRefusedError."""


class SocketNotFound(ConnectError, FileNotFoundError):
    """No unix socket of that path; also a FileNotFoundError."""


class NameNotFound(ConnectError, gaierror):
    """A name that could not be resolved; also a socket.gaierror."""


class ConnectTimeout(ConnectError, SocketTimeout):
    """No connection within the timeout: its name, its place in a pool, its handshake."""


class PoolFull(ConnectError):
    """As many connects as may wait for a place in a pool wait already."""


class ProxyError(ConnectError):
    """A proxy has refused the way to the server."""


class TlsHandshakeError(ConnectError, TlsError):
    """The peer speaks no TLS, or none that both understand."""


class CertificateError(TlsHandshakeError, ssl.SSLCertVerificationError):
    """The peer's certificate is not what it should be; also an ssl.SSLCertVerificationError, which is a ValueError."""

    library = "SSL"
    verify_code: int = 0  # OpenSSL's
    verify_message: str = ""


def _made(kind: type[Error], arguments: tuple[Any, ...], number: int | None, state: dict[str, Any]) -> Any:
    error: Any = kind.__new__(kind)
    error.args = arguments
    if number is not None:
        error.errno = number
    error.__dict__.update(state)
    if "__notes__" in state:
        error.__notes__ = [*state["__notes__"]]
    return error


def copy_of(error: ErrorT) -> ErrorT:
    """Return an error like this one, which was raised nowhere yet."""
    _, (kind, arguments, number, _) = error.__reduce__()
    return _made(kind, arguments, number, error.__dict__)  # type: ignore[no-any-return]


def retold(error: ErrorT, reason: str) -> ErrorT:
    """Return an error of the same class, whose word tells what was tried: "failed to connect: connection refused"."""
    told = copy_of(error)
    told.args, told.reason = (reason,), reason
    return told


# What the system's numbers are, as classes.
_CLASS_OF_NUMBER: Final[dict[int, type[SocketError]]] = {
    errno.ECONNREFUSED: SocketRefused,
    errno.ECONNRESET: SocketReset,
    errno.EPIPE: SocketBroken,
    errno.EACCES: SocketDenied,
    errno.EPERM: SocketDenied,
    errno.ETIMEDOUT: SystemTimeout,
}


def system_error(error: OSError) -> SocketError:
    """Return what the system said as a SocketError: its own text in lower case, "error" where it has no number."""
    if isinstance(error, gaierror):  # a literal whose zone names no interface; names are looked up elsewhere
        return BadAddress("no such device")
    number = error.errno
    found = _CLASS_OF_NUMBER.get(number or 0, SocketError)(strerror(number).lower() if number else "error")
    found.errno = number
    return found


# What was being done, as the sentence of an error begins.
_BEGINS: Final = {
    "resolve": "look up",
    "pool": "wait for a connection to",
    "connect": "connect to",
    "proxy": "connect by way of",
    "handshake": "TLS with",
    "accept": "accept on",
    "read": "read from",
    "write": "write to",
}


def sentence_of(error: Error) -> str:
    """Return what happened as one sentence with the error word in it: "read from 127.0.0.1:6379: timeout after 1 s"."""
    why = error.why
    if error.timeout_s is not None and why == "timeout":
        why = f"timeout after {error.timeout_s:g} s"
    if len(error.attempts) > 1 and not isinstance(error, TimeoutError):
        why = f"all addresses failed ({'; '.join(f'{address}: {tried.reason}' for address, tried in error.attempts)})"
    begin = _BEGINS.get(error.operation or "")
    if error.url is not None:
        what = error.method or ("WebSocket" if error.operation == "upgrade" else None)
        return f"{what} {error.url}: {why}" if what else f"{error.url}: {why}"
    return why if begin is None or error.peer is None else f"{begin} {error.peer}: {why}"


# -- words


# What a request was waiting for, and what of it was being done.
OPERATION_OF_STAGE: Final = {
    "connect": "connect",
    "pool": "pool",
    "proxy": "proxy",
    "tls": "handshake",
    "send": "write",
    "read": "read",
    "body": "read",
}
_STAGE_OF_OPERATION: Final = {
    "resolve": "connect",
    **{operation: stage for stage, operation in OPERATION_OF_STAGE.items() if stage != "body"},
}


class Word(str):
    """An error word of the seed's calls: a str like any other, which holds the error.

    Attributes:
        error: what has happened, with all that is known of it; ``lasa.check()`` raises a copy.
    """

    __slots__ = ("error",)

    error: Error

    def __new__(
        cls,
        word: str,
        *,
        url: Any = None,
        stage: str | None = None,
        response: Any = None,
        partial: bytes | None = None,
    ) -> Self:
        """Return a word with what belongs to it, as of a request that failed."""
        error = error_of(word, partial)
        error.url, error.response = url, response
        error.stage, error.operation = stage, OPERATION_OF_STAGE.get(stage or "")
        return cls.of(error)

    @classmethod
    def of(cls, error: Error) -> Self:
        """Return the word of an error."""
        made = str.__new__(cls, error.reason)
        made.error = error
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).of, (self.error,)

    @property
    def url(self) -> Any:
        """Of a request: what was asked for."""
        return self.error.url

    @property
    def response(self) -> Any:
        """Of a request: the answer, where its head had come."""
        return self.error.response

    @property
    def partial(self) -> bytes | None:
        """What did come of what was read, where it ended early."""
        return self.error.partial

    @property
    def stage(self) -> str | None:
        """Of a request: what it was waiting for.

        "pool" (a place among the connections), "connect" (with the name look-up), "proxy", "tls", "send", "read" (the
        answer's head) or "body"; None before all of them.
        """
        return self.error.stage or _STAGE_OF_OPERATION.get(self.error.operation or "")

    def __getattr__(self, name: str) -> Any:
        what = "call" if self.error.url is None else "request"
        raise AttributeError(f"no {name!r}: the {what} failed ({self}); look at ok first, or use lasa.check()")


class FixedWord(Word):
    """A word made once, for calls whose failure knows nothing of its own; each look at its error makes a new one."""

    __slots__ = ("_make",)

    _make: Callable[[], Error]

    def __new__(cls, make: Callable[[], Error]) -> Self:
        """Return the word of the errors that ``make`` makes."""
        made = str.__new__(cls, make().reason)
        made._make = make
        return made

    @property
    def error(self) -> Error:  # type: ignore[override]
        """One that was raised nowhere yet."""
        return self._make()

    def __reduce__(self) -> tuple[Any, ...]:
        return Word.of, (self.error,)


def word_of(error: Error) -> Word:
    """Return the word of an error that was raised, which keeps no frame alive."""
    _strip(error)
    for _, tried in error.attempts:
        _strip(tried)
    return Word.of(error)


def _strip(error: BaseException | None) -> None:
    while error is not None:
        error.__traceback__ = error.__context__ = None
        error = error.__cause__


def failed(error: Error) -> tuple[None, Word]:
    """Return the seed's tuple of a failure."""
    return None, word_of(error)


# For words without an error: of a user's own function, of another process. The system's have their numbers again.
_KIND_OF_WORD: Final[dict[str, type[SocketError]]] = {
    "timeout": SocketTimeout,
    "ping timeout": SocketTimeout,
    "closed": SocketClosed,
}
_NUMBER_OF_WORD: Final = {strerror(number).lower(): number for number in errno.errorcode}
_TOLD_WHAT_WAS_TRIED: Final = ("failed to ", "handshake failed: ", "ssl handshake failed: ")
_OF_NO_SOCKET: Final = frozenset(
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


def error_of(word: str, partial: bytes | None = None) -> Error:
    """Return the error that a plain str names, which knows no more."""
    if word in _OF_NO_SOCKET:
        return Error(word, partial)
    # Only what begins so: others may quote the peer, who is not to choose the class.
    cause = word.rpartition(": ")[2] if word.startswith(_TOLD_WHAT_WAS_TRIED) else word
    number = _NUMBER_OF_WORD.get(cause)
    kind = _KIND_OF_WORD.get(cause) or _CLASS_OF_NUMBER.get(number or 0, SocketError)
    error = kind(word, partial)
    error.errno = number
    return error


def error_in(word: str) -> Error:
    """Return an error to raise: a copy of the one that the word holds; of a plain str what its text names."""
    if not isinstance(word, Word):
        return error_of(word)
    error = copy_of(word.error)
    error.__cause__ = word.error.__cause__
    return error


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
        Error: the call failed: a copy of the error that its word holds, with a note that says what was being done, and
            with whom. A str without one, of a function of your own, raises by its text: "timeout" is a SocketTimeout,
            also a TimeoutError; "closed" a SocketClosed, also a ConnectionError; other words are SocketErrors, also
            OSErrors. What a light thread raised is the ``__cause__``.
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
    partial = rest[1] if len(rest) > 1 and isinstance(rest[1], bytes) else None
    word = str(reason)
    if not isinstance(reason, Word) and first is False and word not in ("timeout", "closed"):
        raise Error(word, partial)  # coroutine.resume() tells why it cannot resume
    raise _noted(reason if isinstance(reason, Word) else word, partial)


def _noted(word: str, partial: bytes | None) -> Error:
    # A function of its own: an error in a local of the frame that raises it would wait for the collector.
    error = error_in(word)
    if partial is not None:
        error.partial = partial
    sentence = sentence_of(error)
    if sentence != error.reason:
        error.add_note(sentence)
    return error
