"""The level of frames: what is sent is one frame, what is received is one, and nothing is answered by itself.

As lua-resty-websocket has it (seed: lasa.websocket). An error that may have left half a frame on the wire is fatal:
every later call says so, until the next connect().
"""

from __future__ import annotations

import _socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from lasa import _hub
from lasa._stream import BUSY_READING, DEFAULT_TIMEOUT_MS, address_text, end_unclosed, place_text
from lasa._values import integer, kind_of, number, text_of, timeout_ms
from lasa.errors import SocketBusy, SocketClosed, SocketError, Word, retold, word_of
from lasa.http._wire.pieces import BYTES_LIKE, TEXT_OR_BYTES
from lasa.websocket._socket.session import Session
from lasa.websocket._wire.closing import HALF_A_CODE, Closing
from lasa.websocket._wire.errors import ProtocolError, closed_by
from lasa.websocket._wire.extension import Agreement
from lasa.websocket._wire.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    CONTROL_MAX,
    FIN,
    LENGTH_MAX,
    MISSING_HEAD,
    PING,
    PONG,
    TEXT,
)

__all__ = ["ALREADY_CLOSED", "FATAL", "NAME", "NO_FRAME_LIMITS", "FrameSizes", "Framing", "Received", "Sent"]

FATAL: Final = "fatal error already happened"
ALREADY_CLOSED: Final = "already closed"
MAX_PAYLOAD: Final = 65_535  # bytes, as lua-resty-websocket has it
CODE_MAX: Final = 0x7FFF
NO_NAME: Final = ("", None)
NAME: Final = "a WebSocket"  # in errors

Sent = tuple[int | None, Word | None]
Received = tuple[bytes | None, str | None, Any]

_TYPES: Final = {CONTINUATION: "continuation", TEXT: "text", BINARY: "binary", PING: "ping", PONG: "pong"}


@dataclass(frozen=True, slots=True)
class FrameSizes:
    """The limits of the level of frames, and whether what we send is masked there as the other side's is."""

    max_recv: int = MAX_PAYLOAD
    max_send: int = MAX_PAYLOAD
    reverses_masking: bool = False


# For a WebSocket of messages, which have a limit of their own.
NO_FRAME_LIMITS: Final = FrameSizes(LENGTH_MAX - 1, LENGTH_MAX - 1)


class Framing:
    """A WebSocket, used frame by frame.

    Attributes:
        peer: the other end, ``(ip, port)`` or ``("unix:", None)``; also afterwards, for the log. ``("", None)`` before
            the first connection.
        local: this end, likewise.
    """

    __slots__ = (
        "__weakref__",
        "_close_sent",
        "_failure",
        "_has_told",
        "_is_fatal",
        "_is_reading",
        "_masks",
        "_read_s",
        "_send_s",
        "_session",
        "_sizes",
        "closing",
        "compression",
        "local",
        "peer",
        "protocol",
    )

    def __init__(self, sizes: FrameSizes, *, masks: bool, timeout_s: float) -> None:
        self._session: Session | None = None
        self._sizes = sizes
        self._masks = masks is not sizes.reverses_masking
        self._read_s = self._send_s = timeout_s
        self._is_reading = self._is_fatal = self._close_sent = False
        self._failure: SocketError | None = None  # like what has ended it, where "closed" does not say that
        self._has_told = False  # it has been raised, and "closed" is from then on
        self.closing: Closing | None = None
        self.protocol: str | None = None
        self.compression: Agreement | None = None
        self.peer: tuple[str, int | None] = NO_NAME
        self.local: tuple[str, int | None] = NO_NAME

    def __repr__(self) -> str:
        return f"<lasa websocket {'open' if self.is_open else 'closed'} at {id(self):#x}>"

    def __del__(self, _end_unclosed: Callable[..., None] = end_unclosed) -> None:
        session = getattr(self, "_session", None)
        if session is not None and session.is_open:
            _end_unclosed(self, session.connection.link, session.connection.give_back)

    @property
    def is_open(self) -> bool:
        """Whether there is a connection; a peer that has gone silently is not known yet."""
        return self._session is not None and self._session.is_open

    @property
    def open_session(self) -> Session | None:
        """The session, if messages can be sent."""
        session = self._session
        return None if session is None or self._close_sent or not session.is_open else session

    def set_timeout(self, timeout: float | None) -> None:
        """Bound every later wait to ``timeout`` milliseconds: of a send, a receive, a connect or an accept.

        Zero, negative, None or no number: the default, 30,000.

        Raises:
            ValueError: "bad timeout value", 2**31 or more.
        Switches: never. Source: seed, "wb:set_timeout".
        """
        self._read_s = self._send_s = timeout_ms(timeout, DEFAULT_TIMEOUT_MS) / 1000
        if self._session is not None:
            self._session.outlet.wait_s = self._send_s

    # -- sending

    def send_text(self, data: Any = None) -> Sent:
        """Send one text frame, whatever it holds; None is an empty payload.

        Returns:
            ``(bytes, None)``: how many are on the wire, with the frame's head; or ``(None, err)``: "payload too big",
            "failed to send frame: E", "already closed" (a close frame was sent), "fatal error already happened". The
            first two are fatal.
        Raises:
            TypeError: neither a string nor a number; nothing is sent then.
        Switches: when the kernel's buffer is full. Source: seed, "wb:send_text".
        """
        return self._sent(FIN | TEXT, data)

    def send_binary(self, data: Any = None) -> Sent:
        """As send_text(), one binary frame. Source: seed, "wb:send_binary"."""
        return self._sent(FIN | BINARY, data)

    def send_continue(self, data: Any = None) -> Sent:
        """As send_text(), the last frame of a fragmented message. Source: lua-resty-websocket."""
        return self._sent(FIN | CONTINUATION, data)

    def send_ping(self, msg: Any = None) -> Sent:
        """As send_text(), a ping of at most 125 bytes, else "too much payload for control frame", which is fatal.

        Nobody waits for the pong. Source: seed, "wb:send_ping".
        """
        return self._sent(FIN | PING, msg)

    def send_pong(self, msg: Any = None) -> Sent:
        """As send_ping(), a pong. Source: seed, "wb:send_pong"."""
        return self._sent(FIN | PONG, msg)

    def send_close(self, code: Any = None, msg: Any = None) -> Sent:
        """Send a close frame; nothing can be sent after it, but still received.

        Args:
            code: a number, 0 to 32,767; None for none, and then ``msg`` does not count.
            msg: at most 123 bytes.
        Returns:
            As send_ping(); "bad status code" is not fatal, and nothing is sent then.
        Switches: when the kernel's buffer is full. Source: seed, "wb:send_close".
        """
        payload = b""
        if code is not None:
            status = None if isinstance(code, TEXT_OR_BYTES) else integer(code)  # the text of one is none
            if status is None or not 0 <= status <= CODE_MAX:
                return None, word_of(self._known(SocketError("bad status code"), "write"))
            payload = status.to_bytes(2, "big") + _payload_of(msg)
        return self._sent(FIN | CLOSE, payload)

    def send_frame(self, fin: bool, opcode: int, payload: Any = None) -> Sent:
        """Send any frame.

        Args:
            fin: whether it ends its message.
            opcode: 0 to 15; 0 continuation, 1 text, 2 binary, 8 close, 9 ping, 10 pong.
        Returns:
            As send_ping(), and "fragmented control frame", which is fatal.
        Raises:
            TypeError, ValueError: no such opcode; as send_text().
        Switches: when the kernel's buffer is full. Source: seed, "wb:send_frame".
        """
        kind = integer(opcode)
        if kind is None:
            raise TypeError(f"bad opcode: number expected, got {kind_of(opcode)}")
        if not 0 <= kind <= 15:
            raise ValueError(f"bad opcode: {kind}")
        return self._sent((FIN if fin else 0) | kind, payload)

    def _sent(self, first: int, data: Any) -> Sent:
        """Send a frame, for the doors above."""
        raise NotImplementedError

    def _send_frame(self, first: int, data: Any) -> int:
        """Send a frame, and return how many bytes are on the wire.

        Raises:
            TypeError: no payload. SocketError: with the words of send_frame().
        Switches: when the kernel's buffer is full.
        """
        payload = data if type(data) is bytes else _payload_of(data)
        self._refuse_others()
        if self._is_fatal:
            raise SocketError(FATAL)
        if self._close_sent:
            raise SocketClosed(ALREADY_CLOSED)
        session = self._session
        length = len(payload)
        wrong = None
        if length > self._sizes.max_send:
            wrong = "payload too big"
        elif first & 8:
            if length > CONTROL_MAX:
                wrong = "too much payload for control frame"
            elif not first & FIN:
                wrong = "fragmented control frame"
        if wrong is not None:
            self._is_fatal = True
            raise SocketError(wrong)
        is_close = first & 15 == CLOSE
        try:
            if session is None:
                raise SocketClosed
            head, payload = session.framed(first, payload)
            session.outlet.send(head, payload, closes=is_close)
        except SocketError as error:
            self._is_fatal = True
            raise self._known(error, "write", self._send_s, "failed to send frame") from error.__cause__
        except BaseException as error:
            if session is not None and session.outlet.has_failed:  # part of it may have left; else it waited its turn
                self._is_fatal = True
                if isinstance(error, _hub.GreenletExit):
                    self.abort()
            raise
        if is_close:
            self._close_sent = True
        return len(head) + length

    # -- receiving

    def recv_frame(self) -> Received:
        """Receive one frame.

        Returns:
            ``(payload, type, None)``, type being "text", "binary", "continuation", "ping" or "pong", or with "again"
            in the third place if the message goes on; ``(reason, "close", code)``, the code None if there was none;
            or ``(None, None, err)``: "failed to receive the first 2 bytes: timeout" and other texts with ": timeout",
            after which a further call goes on where this one stopped; all others are fatal, such as "frame unmasked",
            "exceeding max payload len", or "failed to receive the first 2 bytes: closed".
        Switches: when the frame has not come yet, and now and then. Source: seed, "wb:recv_frame".
        """
        self._refuse_others()
        session = self._session
        if self._is_fatal or self._is_reading or session is None or session.protocol.is_in_message:
            return None, None, word_of(self._known(self._why_no_frame(), "read"))
        protocol = session.protocol
        self._is_reading = True
        try:
            session.connection.link.breathe()
            while (frame := protocol.next_frame()) is None:
                session.read(self._read_s)
        except SocketError as error:
            if error.reason != "timeout":
                self._is_fatal = True
            tried = None if isinstance(error, ProtocolError) else protocol.reader.missing
            return None, None, word_of(self._known(error, "read", self._read_s, tried))
        except _hub.GreenletExit:
            self.abort()
            raise
        finally:
            self._end_read(session)
        opcode, payload, is_fin = frame
        if opcode < CLOSE:
            return payload, _TYPES[opcode], None if is_fin else "again"
        if opcode != CLOSE:
            return payload, _TYPES[opcode], None
        if not payload:
            return b"", "close", None
        if len(payload) == 1:
            self._is_fatal = True
            return None, None, word_of(self._known(ProtocolError(HALF_A_CODE), "read"))
        return payload[2:], "close", payload[0] << 8 | payload[1]

    def _why_no_frame(self) -> SocketError:
        if self._is_fatal:
            return SocketError(FATAL)
        if not self._is_reading and self._session is not None:
            return SocketError("a message is half received")  # by the level of messages
        self._is_fatal = not self._is_reading
        why = SocketBusy(BUSY_READING) if self._is_reading else SocketClosed()
        return self._known(why, "read", None, MISSING_HEAD)

    def _end_read(self, session: Session) -> None:
        """Somebody has read, and does no longer. Never switches."""
        self._is_reading = False

    # -- the end

    def _refuse_others(self) -> None:
        if self._session is not None:
            self._session.connection.link.refuse_others(NAME)

    def _known(
        self, error: SocketError, operation: str | None, wait_s: float | None = None, tried: str | None = None
    ) -> SocketError:
        """Return an error, or one in its place, with what is known of it: with whom, how the connection was closed.

        Args:
            operation, wait_s: as Error.during() takes them.
            tried: what its word is to begin with.
        """
        if error.reason == "closed":
            error = closed_by(self.closing)
        error.during(operation, place_text(*self.peer) or None, wait_s)
        return error if tried is None else retold(error, f"{tried}: {error.reason}")

    def _close_frames(self) -> int:
        # As lua-resty-websocket: a close frame if none was sent; the peer's is not waited for.
        try:
            if self._is_fatal:
                raise SocketError(FATAL)
            if not self.is_open:
                raise SocketClosed
            if not self._close_sent:
                self._send_frame(FIN | CLOSE, b"")
        except SocketError as error:
            self.abort()
            if error.reason in (FATAL, "closed"):
                raise
            raise retold(error, f"failed to send close frame: {error.reason}") from error.__cause__
        self.abort()
        return 1

    def abort(self) -> None:
        """End the connection at once, for everyone and without a word; nothing happens if there is none.

        Switches: never. Source: beyond the seed.
        """
        self._refuse_others()
        session, self._session = self._session, None
        if session is not None and session.is_open:
            session.connection.give_back()

    def _names(self, session: Session) -> tuple[tuple[str, int | None], tuple[str, int | None]]:
        """Return peer and local: now, since a connection that is over has no names."""
        sock = session.connection.link.sock
        return _name(sock, "getpeername"), _name(sock, "getsockname")

    def _open(self, session: Session) -> None:
        """Begin with a new connection."""
        self._session = session
        self.peer, self.local = self._names(session)
        self.protocol = session.subprotocol
        self.compression = session.agreement
        session.masks = self._masks
        session.outlet.wait_s = self._send_s  # out of the pool it has another's
        self._is_fatal = self._close_sent = self._has_told = False
        self._failure = self.closing = None
        reader = session.protocol.reader
        reader.is_strict = False
        reader.max_frame = self._sizes.max_recv


def _name(sock: _socket.socket, method: str) -> tuple[str, int | None]:
    try:
        return address_text(getattr(sock, method)(), sock.family)
    except OSError:  # the peer has broken the connection already
        return NO_NAME


def _payload_of(data: Any) -> bytes:
    if data is None:
        return b""
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, BYTES_LIKE):
        return bytes(data)
    if number(data) is not None:
        return text_of(data)
    raise TypeError(f"bad payload: bytes, str or a number expected, got {kind_of(data)}")
