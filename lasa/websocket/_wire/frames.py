"""Frames: their heads, their masks, and the bytes between them (RFC 6455 section 5.2).

`FrameReader` is wsproto's frame decoder with a buffer, a masker and header checks of ours below it. A frame that has
come as a whole with a plain head, as most do, is taken directly, at a fifth of the cost; what comes in parts, and
what is wrong, takes wsproto's way. `tests/websocket/test_frames.py` runs both side by side.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, Final

from wsproto.frame_protocol import FrameDecoder, Header, Opcode, RsvBits, XorMaskerNull

from lasa.websocket._wire.closing import PROTOCOL_ERROR, TOO_BIG
from lasa.websocket._wire.errors import MessageTooBig, ProtocolError
from lasa.websocket._wire.masks import Masker, mask

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "CONTROL_MAX",
    "FIN",
    "LENGTH_MAX",
    "MISSING_HEAD",
    "PING",
    "PONG",
    "RSV1",
    "TEXT",
    "FrameReader",
    "frame_head",
]

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

FIN: Final = 0x80
RSV1: Final = 0x40  # compressed

MISSING_HEAD: Final = "failed to receive the first 2 bytes"
MISSING_PAYLOAD: Final = "failed to read masking-len and payload"

CONTROL_MAX: Final = 125  # bytes
LENGTH_MAX: Final = 2**31  # and no limit on messages can be above it

_NO_RSV: Final = RsvBits(False, False, False)
_WITH_RSV1: Final = RsvBits(True, False, False)
_NO_MASK: Final = XorMaskerNull()
_OPCODES: Final = {int(opcode): opcode for opcode in Opcode}

# First bytes of frames that may be taken directly.
_PLAIN_HEADS: Final = frozenset(
    (CONTINUATION, TEXT, BINARY, *(FIN | opcode for opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)))
)
_PLAIN_HEADS_WITH_DEFLATE: Final = _PLAIN_HEADS | {fin | RSV1 | kind for fin in (0, FIN) for kind in (TEXT, BINARY)}

_SHORT: Final = Struct("!BBH").pack
_LONG: Final = Struct("!BBQ").pack


def frame_head(first: int, length: int, mask_bit: int) -> bytes:
    """Return the head of a frame, without its masking key.

    Args:
        first: FIN, RSV bits and opcode.
        mask_bit: 0x80 if a key and a masked payload follow, else 0.
    """
    if length <= CONTROL_MAX:
        return bytes((first, mask_bit | length))
    if length < 65536:
        return _SHORT(first, mask_bit | 126, length)
    return _LONG(first, mask_bit | 127, length)


class _Bytes:
    """What has come and is not taken yet; has the methods of wsproto's buffer, without its copies."""

    __slots__ = ("_taken", "front", "position")

    def __init__(self) -> None:
        self.front = b""
        self.position = 0  # what is before it is gone
        self._taken = 0  # and this much more, until commit() or rollback()

    def feed(self, data: bytes) -> None:
        self.front = self.front[self.position :] + data if self.position < len(self.front) else data
        self.position = 0

    def consume_at_most(self, size: int) -> bytes:
        start = self.position + self._taken
        data = self.front[start : start + size]
        self._taken += len(data)
        return data

    def commit(self) -> None:
        self.position += self._taken
        self._taken = 0
        if self.position >= len(self.front):
            self.front = b""
            self.position = 0

    def __len__(self) -> int:
        return len(self.front) - self.position


class FrameReader(FrameDecoder):
    """The frames of one direction.

    Attributes:
        is_strict: whether rules that OpenResty does not check are checked: the mask of what a server sends, the
            shortest form of a length.
        max_frame: bytes of a frame's payload; more is "exceeding max payload len".
        room: bytes of payload that may still come for a message, None without a limit; more is "message too big". What
            is compressed does not count here: what it stands for does, elsewhere.
        is_compressed: whether the last data frame's head that was parsed had the bit for it.
    """

    def __init__(self, *, client: bool, max_frame: int = LENGTH_MAX, deflates: bool = False) -> None:
        super().__init__(client)
        self.buffer: Any = _Bytes()
        self.is_strict = True
        self.max_frame = max_frame
        self.room: int | None = None
        self.is_compressed = False
        self._mask_bit = 0 if client else 0x80
        self._plain_heads = _PLAIN_HEADS_WITH_DEFLATE if deflates else _PLAIN_HEADS
        self._deflates = deflates

    @property
    def has_unread(self) -> bool:
        """Whether bytes have come that belong to no frame taken so far, or part of one."""
        return self.header is not None or len(self.buffer) > 0

    def take_whole(self) -> tuple[int, bytes] | None:
        """Return first byte and payload of the next frame, if it is there as a whole and plain.

        None says nothing: process_buffer() knows what is the matter.
        """
        buffer = self.buffer
        front = buffer.front
        at = buffer.position
        end = len(front)
        if at + 2 > end or self.header is not None:
            return None
        first = front[at]
        length = front[at + 1] ^ self._mask_bit  # 128 and more: not masked as it should be
        start = at + 2
        if length > CONTROL_MAX:
            if first & 8:  # a control frame
                return None
            if length == 126:
                if at + 4 > end:
                    return None
                length = front[at + 2] << 8 | front[at + 3]
                if length <= CONTROL_MAX:
                    return None
                start = at + 4
            elif length == 127:
                if at + 10 > end:
                    return None
                length = int.from_bytes(front[at + 2 : at + 10], "big")
                if length < 65536:
                    return None
                start = at + 10
            else:
                return None
        if self._mask_bit:
            start += 4
        stop = start + length
        if stop > end or first not in self._plain_heads or length > self.max_frame:
            return None
        if self.room is not None and length > self.room and first < 0x88:
            return None
        payload = front[start:stop]
        if self._mask_bit and payload:
            payload = mask(payload, front[start - 4 : start])
        if stop == end:
            buffer.front = b""
            buffer.position = 0
        else:
            buffer.position = stop
        return first, payload

    def parse_header(self) -> bool:
        """Take a frame's head, if all of it is there.

        Raises:
            ProtocolError: in the order, and with the words, of lua-resty-websocket.
        """
        buffer = self.buffer
        front, at = buffer.front, buffer.position
        end = len(front)
        if at + 2 > end:
            return False
        first, second = front[at], front[at + 1]
        opcode = first & 15
        is_fin = first >= FIN
        is_compressed = bool(first & RSV1)
        if first & 0x30 or (is_compressed and not (self._deflates and opcode in (TEXT, BINARY))):
            raise ProtocolError("bad RSV1, RSV2, or RSV3 bits")
        if 3 <= opcode <= 7:
            raise ProtocolError("reserved non-control frames")
        if opcode > PONG:
            raise ProtocolError("reserved control frames")
        is_masked = second >= 0x80
        if not is_masked and not self.client:
            raise ProtocolError("frame unmasked")
        if is_masked and self.client and self.is_strict:
            raise ProtocolError("frame masked")
        length = second & 127
        start = at + 2
        if length > CONTROL_MAX:
            start += 2 if length == 126 else 8
            if start > end:
                return False
            shortest = 65536 if length == 127 else 126
            length = int.from_bytes(front[at + 2 : start], "big")
            self._check_length(length, shortest)
        if opcode >= CLOSE:
            if second & 127 > CONTROL_MAX:
                raise ProtocolError("too long payload for control frame")
            if not is_fin:
                raise ProtocolError("fragmented control frame")
        if length > self.max_frame:
            raise MessageTooBig("exceeding max payload len")
        is_inflated = self.is_compressed if opcode == CONTINUATION else is_compressed
        if opcode < CLOSE and not is_inflated and self.room is not None and length > self.room:
            raise MessageTooBig
        if is_masked:
            start += 4
            if start > end:
                return False
        self.masker = Masker(front[start - 4 : start]) if is_masked else _NO_MASK  # type: ignore[assignment]
        buffer.position = start
        kind = _OPCODES[opcode]
        if opcode in (TEXT, BINARY):
            self.is_compressed = is_compressed
        self.header = Header(is_fin, _WITH_RSV1 if is_compressed else _NO_RSV, kind, length, None)
        self.effective_opcode = kind
        self.payload_required = length if opcode >= CLOSE else 0
        self.payload_consumed = 0
        return True

    def _check_length(self, length: int, shortest: int) -> None:
        if length >= LENGTH_MAX:
            raise MessageTooBig("payload len too large", TOO_BIG if length < 2**63 else PROTOCOL_ERROR)
        if length < shortest and self.is_strict:
            raise ProtocolError("payload length not in its shortest form")

    @property
    def missing(self) -> str:
        """What of the frame that has begun is not there yet, in lua-resty-websocket's words."""
        buffer = self.buffer
        left = len(buffer)
        if self.header is not None:
            return MISSING_PAYLOAD
        if left < 2:
            return MISSING_HEAD
        length = buffer.front[buffer.position + 1] & 127
        if length == 126 and left < 4:
            return "failed to receive the 2 byte payload length"
        if length == 127 and left < 10:
            return "failed to receive the 8 byte payload length"
        return MISSING_PAYLOAD
