"""The level of messages: whole messages in and out, pings answered, and a close that both sides agree on.

Whoever receives reads. While nobody does, the hub reads as far as the next message, so that pings are answered and a
close is noticed also by a handler that only sends; a message that nobody receives stops that, and the peer with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Self, TypeVar

from lasa import _hub, semaphore
from lasa._hub import CALL_COST, Deadline
from lasa._stream import BUSY_READING
from lasa.errors import SocketBusy, SocketClosed, SocketError, SocketTimeout, Word, failed
from lasa.http._wire.pieces import BYTES_LIKE
from lasa.websocket._socket.ending import Ending
from lasa.websocket._socket.framing import NAME, FrameSizes, Sent
from lasa.websocket._socket.options import Options, checked_s
from lasa.websocket._socket.session import Session
from lasa.websocket._wire.closing import INTERNAL_ERROR
from lasa.websocket._wire.errors import ConnectionClosedOK
from lasa.websocket._wire.frames import BINARY, CONTINUATION, FIN, RSV1, TEXT
from lasa.websocket._wire.protocol import IN_A_ROW, NOTHING_YET, ControlFrame, Piece

__all__ = ["MessagePieces", "WebSocket"]

ReceivedT = TypeVar("ReceivedT")

_WHOLE_TEXT: Final = FIN | TEXT
_WHOLE_BINARY: Final = FIN | BINARY
_END: Final[Any] = object()  # of an iterable


class WebSocket(Ending):
    """One WebSocket connection, as client or as server, for messages or for frames.

    ``lasa.websocket.client.connect()``, ``request.websocket()`` and the handler of ``lasa.websocket.server`` give one
    for messages. One of ``client.new()`` or ``server.accept()`` is for frames: it has smaller limits, and answers
    nothing by itself until receive() or send() is called, which makes it one for messages.

    Attributes:
        closing: how it was closed: code, reason, and by whom; None while it is open.
        protocol: the subprotocol that was agreed on, None without one; also afterwards.
        compression: the parameters of permessage-deflate that were agreed on, None without it; also afterwards.
        ends_quietly: whether a loop over its messages ends without an error however the connection ends.
    """

    __slots__ = ("_pieces", "ends_quietly")

    def __init__(self, sizes: FrameSizes, options: Options, *, masks: bool, timeout_s: float) -> None:
        super().__init__(sizes, options, masks=masks, timeout_s=timeout_s)
        self.ends_quietly = False
        self._pieces: MessagePieces | None = None  # a message that is read piece by piece, and is not over

    def _begin(self, session: Session, *, for_messages: bool) -> None:
        self._open(session)
        self._is_answering = self._is_watching = self._is_due = False
        self._pieces = self._keepalive = None
        if for_messages:
            self._read_s = semaphore.FOREVER_S  # the keepalive tells of a peer that is gone
            self._answer_by_itself(session)

    # -- receiving

    def receive(self, timeout_s: float | None = None) -> tuple[str | bytes | None, Word | None]:
        """Receive one message.

        Args:
            timeout_s: seconds until the whole message has to be there; None: no limit but that of set_timeout().
        Returns:
            ``(message, None)``: a str for text, bytes for binary. Or ``(None, err)``: "timeout" (nothing is lost:
            another call goes on where this one stopped), "closed" (``closing`` tells how), "ping timeout", "message
            too big", "invalid utf-8" and other words of a peer that breaks the rules, which has been told, "socket
            busy reading" (another light thread receives), or the system's own word.
        Raises:
            ValueError: a bad timeout_s.
        Switches: when no message has come yet, and now and then. Source: beyond the seed.
        """
        try:
            return self._receive_by(self._next_message, timeout_s), None
        except SocketError as error:
            return failed(error)

    def _receive_by(self, step: Callable[[Session, Deadline | None], ReceivedT], timeout_s: float | None) -> ReceivedT:
        session = self._session
        if session is not None:
            session.connection.link.refuse_others(NAME)
        if self._is_reading or session is None or session.is_ending:
            raise self._why_not_receiving(timeout_s)
        deadline = None if timeout_s is None else Deadline(checked_s("timeout_s", timeout_s))
        self._is_reading = True
        try:
            if not self._is_answering:
                self._answer_by_itself(session)
            while self._pieces is not None:  # nobody wants the rest of it
                self._next_piece(session, deadline)
            return step(session, deadline)
        except SocketError as error:
            raise self._end_reading(session, error, timeout_s) from error.__cause__
        except _hub.GreenletExit:
            self.abort()
            raise
        finally:
            self._end_read(session)

    def _why_not_receiving(self, timeout_s: float | None) -> SocketError:
        session = self._session
        if self._is_reading:
            why: SocketError = SocketBusy(BUSY_READING)
        elif session is None:
            why = self._why_over()
        else:
            why = self._await_end(session, timeout_s)
        return self._known(why, "read")

    def _end_reading(self, session: Session, error: SocketError, timeout_s: float | None = None) -> SocketError:
        # Returns what to raise; after a timeout another call goes on.
        why = error if error.reason == "timeout" else self._end_by(session, error)
        wait_s = self._read_s if timeout_s is None else min(checked_s("timeout_s", timeout_s), self._read_s)
        return self._known(why, "read", wait_s)

    def _next_message(self, session: Session, deadline: Deadline | None) -> str | bytes:
        next_event = session.protocol.next_event
        session.connection.link.breathe(session.cost)
        while True:
            event = next_event(IN_A_ROW)
            if event is None:
                self._read_more(session, deadline)
            elif type(event) is ControlFrame:
                self._take_control(session, event, deadline)
            else:
                session.cost = CALL_COST + len(event)
                return event  # type: ignore[return-value]

    def _take_control(self, session: Session, frame: ControlFrame, deadline: Deadline | None) -> None:
        if self._answer(session, frame):
            self._finish(session)
            raise SocketClosed
        session.connection.link.breathe(IN_A_ROW * CALL_COST if frame is NOTHING_YET else CALL_COST)
        if deadline is not None and not deadline.left_s:  # under a flood of pings
            raise SocketTimeout

    def _read_more(self, session: Session, deadline: Deadline | None) -> None:
        if deadline is None:
            session.read(self._read_s)
            return
        left_s = deadline.left_s
        if left_s:
            session.read(min(left_s, self._read_s))
        elif not session.read_now():  # what is there already counts
            raise SocketTimeout

    def __iter__(self) -> Self:
        """Receive one message after another until the connection is closed.

        Raises:
            Error: it ended otherwise than by a close with 1000, with 1001, or without a code.
        Switches: as receive().
        """
        return self

    def __next__(self) -> str | bytes:
        try:
            return self._receive_by(self._next_message, None)
        except SocketError as error:
            if not (
                (self.ends_quietly and (self.closing is not None or not self.is_open))
                or isinstance(error, ConnectionClosedOK)
            ):
                raise
        raise StopIteration

    def receive_pieces(self, timeout_s: float | None = None) -> tuple[MessagePieces | None, Word | None]:
        """Receive the beginning of a message, and return an iterator over its pieces as they come.

        It has no limit on the message. What is left of it when somebody receives the next one is dropped.

        Args:
            timeout_s: as receive(), until the message has begun.
        Returns:
            ``(pieces, None)``, or ``(None, err)`` as receive().
        Switches: as receive(). Source: beyond the seed.
        """
        try:
            return self._receive_by(self._begin_pieces, timeout_s), None
        except SocketError as error:
            return failed(error)

    def _begin_pieces(self, session: Session, deadline: Deadline | None) -> MessagePieces:
        first = self._next_piece(session, deadline)
        pieces = MessagePieces(self, session, first)
        if not first.is_last:
            self._pieces = pieces
        return pieces

    def piece_of(self, pieces: MessagePieces, session: Session) -> Piece:
        """Return the next piece of a message that receive_pieces() has begun; for MessagePieces.

        Raises:
            SocketError: as iterating over it. Switches: when nothing has come yet.
        """
        if self._pieces is not pieces or session.is_ending:
            raise self._known(SocketClosed(), "read")
        if self._is_reading:
            raise self._known(SocketBusy(BUSY_READING), "read")
        self._is_reading = True
        try:
            return self._next_piece(session, None)
        except SocketError as error:
            raise self._end_reading(session, error) from error.__cause__
        except _hub.GreenletExit:
            self.abort()
            raise
        finally:
            self._end_read(session)

    def _next_piece(self, session: Session, deadline: Deadline | None) -> Piece:
        next_piece = session.protocol.next_piece
        session.connection.link.breathe(session.cost)
        while True:
            event = next_piece()
            if event is None:
                self._read_more(session, deadline)
            elif type(event) is ControlFrame:
                self._take_control(session, event, deadline)
            else:
                assert type(event) is Piece
                session.cost = CALL_COST + len(event.data)
                if event.is_last:
                    self._pieces = None
                return event

    # -- sending

    def send(self, message: Any) -> Sent:
        """Send one message. Others may send at the same time: messages and their fragments are never mixed.

        Args:
            message: str for text; bytes-like for binary; any other iterable of str or of bytes-like pieces for one
                message in fragments, each sent as soon as it is there.
        Returns:
            ``(bytes, None)``: how many are on the wire; or ``(None, err)``: "closed", "timeout" (the peer takes
            nothing), "broken pipe" or another word of the system. After that nothing more can be sent.
        Raises:
            TypeError: no message; nothing is sent then. What the iterable raises; a message that has begun by then
            cannot be ended, so the connection is closed with 1011.
        Switches: when the kernel's buffer is full, and while another message is on its way. Source: beyond the seed.
        """
        fragments = None
        try:
            if isinstance(message, str):
                return self._send_whole(_WHOLE_TEXT, message.encode()), None
            if type(message) is bytes:
                return self._send_whole(_WHOLE_BINARY, message), None
            if isinstance(message, BYTES_LIKE):
                return self._send_whole(_WHOLE_BINARY, bytes(message)), None
            self._refuse_others()
            fragments = _Fragments(message)
            return self._send_fragments(fragments), None
        except SocketError as error:
            if fragments is not None and fragments.has_failed:
                raise
            return failed(self._known(error, "write", self._send_s))

    def _send_whole(self, first: int, payload: bytes) -> int:
        """Send a message of one frame, and return how many bytes are on the wire.

        Raises:
            SocketClosed, SocketTimeout, SocketError.
        Switches: as send().
        """
        session = self._session
        if session is not None:
            session.connection.link.refuse_others(NAME)
        if session is None or self._close_sent:
            raise SocketClosed
        if not self._is_answering:
            self._answer_by_itself(session)
        outlet = session.outlet
        has_turn = False
        try:
            if not outlet.is_free:
                has_turn = outlet.message.take()
                if self._close_sent:
                    raise SocketClosed
            deflater = session.deflater
            if deflater is not None and len(payload) >= session.threshold:
                payload = deflater.deflate(payload)
                first |= RSV1
            head, payload = session.framed(first, payload)
            if deflater is None:
                outlet.send(head, payload)
            else:
                session.send(head, payload)
            return len(head) + len(payload)
        except _hub.GreenletExit:
            if outlet.has_failed:  # else it was killed while it waited for its turn
                self.abort()
            raise
        finally:
            if has_turn:
                outlet.message.give_back()

    def _send_fragments(self, pieces: _Fragments) -> int:
        """As _send_whole(), a message that comes in pieces."""
        piece = pieces.next()
        session = self._session
        if session is None or self._close_sent:
            raise SocketClosed
        if not self._is_answering:
            self._answer_by_itself(session)
        outlet = session.outlet
        deflater = session.deflater
        sent = 0
        opcode = pieces.kind | (RSV1 if deflater is not None else 0)
        try:
            outlet.message.take()
            try:
                while True:
                    is_last = piece is _END
                    data = b"" if is_last else piece.encode() if isinstance(piece, str) else bytes(piece)
                    if deflater is not None:
                        data = deflater.deflate(data, is_last)
                    if data or is_last:
                        if self._close_sent:
                            raise SocketClosed
                        frame = session.frame((FIN if is_last else 0) | opcode, data)
                        session.send(frame)
                        sent += len(frame)
                        opcode = CONTINUATION
                        outlet.is_fragmented = not is_last
                    if is_last:
                        return sent
                    piece = pieces.next()
            finally:
                outlet.is_fragmented = False
                outlet.message.give_back()
        except BaseException as error:
            if outlet.has_failed and isinstance(error, _hub.GreenletExit):
                self.abort()
            elif sent and (pieces.has_failed or not isinstance(error, SocketError)):
                self.go_away(INTERNAL_ERROR)  # a message that has begun cannot be ended
            raise


class MessagePieces:
    """One message as it comes; iterate over it, once.

    Attributes:
        is_text: whether its pieces are str, none of which ends within a character; else they are bytes.
    """

    __slots__ = ("_first", "_is_over", "_session", "_websocket", "is_text")

    def __init__(self, websocket: WebSocket, session: Session, first: Piece) -> None:
        self._websocket = websocket
        self._session = session
        self._first: str | bytes = first.data
        self._is_over = first.is_last
        self.is_text = isinstance(first.data, str)

    def __iter__(self) -> Self:
        """Yield pieces as they come, none empty.

        Raises:
            Error: the connection ended in the middle, "timeout" (a further call goes on), or the message was dropped
            since another one has been received meanwhile ("closed").
        Switches: when nothing has come yet.
        """
        return self

    def __next__(self) -> str | bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        while not self._is_over:
            try:
                piece = self._websocket.piece_of(self, self._session)
            except SocketError as error:
                self._is_over = error.reason not in ("timeout", BUSY_READING)
                raise
            self._is_over = piece.is_last
            if piece.data:
                return piece.data
        raise StopIteration


def _kind_of(piece: Any, expected: int = 0) -> int:
    if piece is _END:
        return expected or BINARY
    kind = TEXT if isinstance(piece, str) else BINARY if isinstance(piece, BYTES_LIKE) else None
    if kind is None:
        raise TypeError(f"bad piece of a message: str or bytes expected, got {type(piece).__name__}")
    if expected and kind != expected:
        raise TypeError("bad piece of a message: str and bytes are mixed")
    return kind


class _Fragments:
    """The pieces of one message, as the caller's iterable gives them.

    Attributes:
        kind: TEXT or BINARY, of the first piece; 0 before it.
        has_failed: whether asking for one has raised: the caller's own sockets may fail, which is no failure of ours.
    Raises:
        TypeError: no iterable, or a list in which something is no piece.
    """

    __slots__ = ("_pieces", "has_failed", "kind")

    def __init__(self, message: Any) -> None:
        self.kind = 0
        self.has_failed = False
        if isinstance(message, list | tuple) and message:  # nothing is sent if a later one is wrong
            kind = _kind_of(message[0])
            for piece in message:
                _kind_of(piece, kind)
        if not isinstance(message, Iterable) or isinstance(message, dict | WebSocket):
            raise TypeError(f"bad message: str, bytes or an iterable of them expected, got {type(message).__name__}")
        self._pieces = iter(message)

    def next(self) -> Any:
        """Return the next piece, _END behind the last one.

        Raises:
            TypeError: no piece, or one of another kind than the first. What the iterable raises.
        """
        self.has_failed = True
        piece = next(self._pieces, _END)
        self.kind = _kind_of(piece, self.kind)
        self.has_failed = False
        return piece
