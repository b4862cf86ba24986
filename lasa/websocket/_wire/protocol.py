"""What one peer sends: frames become messages, pieces of messages and control frames (RFC 6455 sections 5.4 and 5.5).

The core of both levels. Fragments are put together, text is checked while it comes, compressed messages are inflated
within their limit, and what is wrong raises ProtocolError with the code that the peer is to be told.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from wsproto.frame_protocol import Frame, MessageDecoder, Opcode, ParseFailed

from lasa.http._wire.pieces import Pieces
from lasa.websocket._wire.closing import BAD_DATA
from lasa.websocket._wire.deflate import NO_LIMIT, Inflater
from lasa.websocket._wire.errors import MessageTooBig, ProtocolError
from lasa.websocket._wire.frames import BINARY, CLOSE, CONTINUATION, FIN, LENGTH_MAX, PONG, RSV1, TEXT, FrameReader

__all__ = ["IN_A_ROW", "NOTHING_YET", "ControlFrame", "Piece", "Protocol", "WireFrame"]

PIECE_MAX: Final = 262_144  # bytes of a piece that was inflated
IN_A_ROW: Final = 64  # fragments that are taken in one call: there is no end of empty ones

_TEXT_MESSAGE: Final = FIN | TEXT
_BINARY_MESSAGE: Final = FIN | BINARY
_OPCODES: Final = {int(opcode): opcode for opcode in Opcode}
_BAD_TEXT: Final = "invalid utf-8"
# Python's decoder waits for a third byte here, which some of its error handlers ask for; no third byte can mend it.
_HALF_SURROGATE: Final = re.compile(rb"\xed[\xa0-\xbf]")


class ControlFrame(NamedTuple):
    """A ping, pong or close frame."""

    opcode: int
    payload: bytes


NOTHING_YET: Final = ControlFrame(PONG, b"")  # an event that asks for nothing


class Piece(NamedTuple):
    """Part of a message: of a text its characters as far as they are whole."""

    data: str | bytes
    is_last: bool


# One frame as it came, inflated if it was compressed: opcode, payload, whether it ends its message.
WireFrame = tuple[int, bytes, bool]


class Protocol:
    """The receiving side of one connection.

    Attributes:
        reader: the frames below.
        arrivals: how often something has come: who remembers it knows later whether the peer lives.
        max_message: bytes of a message that is put together, inflated; None: no limit.
    """

    __slots__ = (
        "_bytes",
        "_decoder",
        "_expects_more",
        "_frame_opcode",
        "_frame_pieces",
        "_inflater",
        "_is_inflating",
        "_is_last",
        "_pieces",
        "_raw",
        "_was_text",
        "arrivals",
        "max_message",
        "reader",
    )

    def __init__(self, reader: FrameReader, inflater: Inflater | None = None, max_message: int | None = None) -> None:
        self.reader = reader
        self._bytes = reader.buffer
        self.arrivals = 0
        self.max_message = max_message
        self._inflater = inflater
        self._decoder: MessageDecoder | None = None  # made for the first message that comes in parts
        self._expects_more = False  # a message has begun and is not over
        self._was_text = False  # the last one that began in parts is text
        self._is_inflating = False  # what was fed into the inflater has not all come out
        self._is_last = False  # and it ends the message
        self._raw = b""  # the bytes of the last piece
        self._pieces: Pieces | None = None
        self._frame_opcode = -1
        self._frame_pieces: Pieces | None = None
        self._set_room(0)

    def limit(self, max_message: int | None) -> None:
        """Set max_message, between messages."""
        self.max_message = max_message
        self._set_room(0)

    def receive_bytes(self, data: bytes) -> None:
        """Take in what has come."""
        self.arrivals += 1
        self._bytes.feed(data)

    @property
    def is_in_message(self) -> bool:
        """Whether part of a message has been taken, and not its end."""
        return self._expects_more or self._is_inflating

    @property
    def is_between_messages(self) -> bool:
        """Whether nothing has come of a message that is not over."""
        return not self._expects_more and not self.reader.has_unread

    @property
    def is_control_next(self) -> bool:
        """Whether a control frame, or its beginning, is what has come next."""
        if self._is_inflating:
            return False
        header = self.reader.header
        if header is not None:
            return header.opcode.iscontrol()
        unread = self._bytes
        return len(unread) > 0 and unread.front[unread.position] & CLOSE > 0

    def next_event(self, in_a_row: int = LENGTH_MAX) -> str | bytes | ControlFrame | None:
        """Return the next message or control frame; None means: feed me more.

        Not in the middle of a message that next_piece() has begun.

        Args:
            in_a_row: how many fragments may be taken before NOTHING_YET is returned, for others to go first.

        Raises:
            ProtocolError.
        """
        if not self._bytes.front and not self._is_inflating:
            return None
        whole = None if self._expects_more else self.reader.take_whole()
        if whole is not None:  # most messages are one frame, and come in one piece
            first, payload = whole
            if first == _BINARY_MESSAGE:
                return payload
            if first == _TEXT_MESSAGE:
                return _text(payload)
            if first >= FIN | RSV1:
                assert self._inflater is not None
                payload = self._inflater.inflate(payload, True, self._limit)
                return payload if first == _BINARY_MESSAGE | RSV1 else _text(payload)
        for _ in range(in_a_row):
            event = self._next(whole)
            if type(event) is not Piece:
                return event  # type: ignore[return-value]
            whole = None
            pieces = self._pieces
            if pieces is None:
                pieces = self._pieces = Pieces()
            pieces.add(self._raw)
            self._raw = b""
            if self.max_message is not None and pieces.size > self.max_message:
                raise MessageTooBig
            if event.is_last:
                self._pieces = None
                self._set_room(0)
                data = pieces.joined()
                return data.decode() if self._was_text else data
            self._set_room(pieces.size)
        return NOTHING_YET

    def next_piece(self) -> Piece | ControlFrame | None:
        """Return the next piece of a message, or control frame; None means: feed me more. No limit on the message.

        Raises:
            ProtocolError.
        """
        self.reader.room = None
        if self._pieces is not None:  # next_event() has begun with it, and its time was over
            data = self._pieces.joined()
            self._pieces = None
            if data:
                return Piece(self._so_far(data) if self._was_text else data, False)
        event = self._next()
        self._raw = b""
        if not self._expects_more:  # the next one may be wanted as a whole
            self._set_room(0)
        return event

    def _so_far(self, data: bytes) -> str:
        # Its last character may not be whole; the decoder has the rest of it.
        return data.decode("utf-8", "ignore")

    def next_frame(self) -> WireFrame | None:
        """Return the next frame as it is on the wire; None means: feed me more.

        Raises:
            ProtocolError.
        """
        reader = self.reader
        if not self._bytes.front:
            return None
        reader.room = None
        whole = reader.take_whole()
        if whole is not None:
            first, payload = whole
            if self._inflater is not None:
                payload = self._inflated(first & ~FIN, payload, first >= FIN)
            return first & 15, payload, first >= FIN
        while (frame := reader.process_buffer()) is not None:
            if self._frame_pieces is None:
                self._frame_pieces = Pieces()
                self._frame_opcode = int(frame.opcode)
            self._frame_pieces.add(frame.payload)  # type: ignore[arg-type]
            if frame.frame_finished:
                payload = self._frame_pieces.joined()
                self._frame_pieces = None
                opcode, is_fin = self._frame_opcode, frame.message_finished
                if self._inflater is not None:
                    rsv1 = RSV1 if reader.is_compressed and opcode in (TEXT, BINARY) else 0
                    payload = self._inflated(rsv1 | opcode, payload, is_fin)
                return opcode, payload, is_fin
        return None

    def _inflated(self, first: int, payload: bytes, is_fin: bool) -> bytes:
        assert self._inflater is not None
        if first & 15 >= CLOSE:
            return payload
        if first & 15:
            self.reader.is_compressed = bool(first & RSV1)
        if not self.reader.is_compressed:
            return payload
        self.reader.is_compressed = not is_fin  # a stray continuation is as it came
        return self._inflater.inflate(payload, is_fin, self.reader.max_frame)

    # -- from frames to pieces

    @property
    def _limit(self) -> int:
        return NO_LIMIT if self.max_message is None else self.max_message

    def _set_room(self, size: int) -> None:
        self.reader.room = None if self.max_message is None else self.max_message - size

    def _next(self, whole: tuple[int, bytes] | None = None) -> Piece | ControlFrame | None:
        reader = self.reader
        if self._frame_pieces is not None:  # next_frame() has begun with it, and its time was over
            data, self._frame_pieces = self._frame_pieces.joined(), None
            begun = self._take_in(self._frame_opcode, data, ends_frame=False, is_fin=False)
            if begun is not None:
                return begun
        for _ in range(2):  # not more: fragments that stand for nothing have no end
            if self._is_inflating and (piece := self._take_inflated()) is not None:
                return piece
            if whole is None:
                whole = reader.take_whole()
            if whole is not None:
                first, payload = whole
                whole = None
                opcode = first & 15
                if opcode >= CLOSE:
                    return ControlFrame(opcode, payload)
                if opcode:
                    reader.is_compressed = bool(first & RSV1)
                piece = self._take_in(opcode, payload, ends_frame=True, is_fin=first >= FIN)
            else:
                frame = reader.process_buffer()
                if frame is None:
                    return None
                opcode = int(frame.opcode)
                payload = frame.payload  # type: ignore[assignment]
                if opcode >= CLOSE:
                    return ControlFrame(opcode, payload)
                piece = self._take_in(opcode, payload, ends_frame=frame.frame_finished, is_fin=frame.message_finished)
            if piece is not None:
                return piece
        return self._accept(CONTINUATION, b"", False)

    def _take_in(self, opcode: int, payload: bytes, *, ends_frame: bool, is_fin: bool) -> Piece | None:
        if bool(opcode) is self._expects_more:  # before anything of it is inflated
            raise ProtocolError("a new message within a fragmented one" if opcode else "continuation of no message")
        is_last = ends_frame and is_fin
        if not self.reader.is_compressed:
            return self._accept(opcode, payload, is_last)
        assert self._inflater is not None
        self._inflater.feed(payload, is_last)
        self._is_inflating = True
        self._is_last = is_last
        if opcode:
            self._accept(opcode, b"", False)  # what comes out continues it
        return self._take_inflated()

    def _take_inflated(self) -> Piece | None:
        assert self._inflater is not None
        data = self._inflater.take(PIECE_MAX)
        if data:
            return self._accept(CONTINUATION, data, False)
        self._is_inflating = False
        return self._accept(CONTINUATION, b"", True) if self._is_last else None

    def _accept(self, opcode: int, data: bytes, is_last: bool) -> Piece:
        decoder = self._decoder
        if decoder is None:
            decoder = self._decoder = MessageDecoder()
        if opcode:
            self._was_text = opcode == TEXT
        try:
            frame = decoder.process_frame(Frame(_OPCODES[opcode], data, is_last, is_last))
        except ParseFailed as error:
            raise ProtocolError(_BAD_TEXT, BAD_DATA) from error
        if decoder.decoder is not None and _HALF_SURROGATE.match(decoder.decoder.getstate()[0]):
            raise ProtocolError(_BAD_TEXT, BAD_DATA)
        self._expects_more = not is_last
        self._raw = data
        return Piece(frame.payload, is_last)  # type: ignore[arg-type]


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise ProtocolError(_BAD_TEXT, BAD_DATA) from None
