"""A WebSocket peer in the raw: it sends any frames at all, and takes nothing that is not right to the last bit.

It is built on the standard library's sockets alone, unpatched, so that what it takes for right does not depend on any
WebSocket library, lasa's among them. While it writes it reads as well, so neither side can block the other.
"""

from __future__ import annotations

import os
import socket as stdlib_socket
import zlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from gevent import monkey

from tests.websocket.conformance.case import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Fragments,
    Frame,
    Message,
    Pong,
)
from tests.websocket.conformance.extension import Codec

__all__ = ["WAIT_S", "CloseFrame", "End", "Event", "Peer", "masked", "readable"]

# How long the other side may be silent when it is its turn.
WAIT_S: Final = 5.0

_CHUNK: Final = 1 << 18
_VALID_CODES: Final = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}

_select: Any = monkey.get_original("select", "select")


@dataclass(frozen=True, slots=True)
class CloseFrame:
    """A close frame has come."""

    code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """TCP has ended; ``reset``: by a reset, as when the other side did not read all that was sent."""

    reset: bool


Event = Message | Pong | CloseFrame | End


def readable(descriptor: int, wait_s: float = WAIT_S) -> bool:
    """Wait until there is something to read; False: nothing came."""
    found: tuple[list[int], list[int], list[int]] = _select([descriptor], [], [], wait_s)
    return bool(found[0])


def masked(data: bytes | bytearray, key: bytes) -> bytes:
    """XOR data with a key of four octets: as one large number, which is fast."""
    size = len(data)
    pad = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(pad, "little")).to_bytes(size, "little")


class Peer:
    """One open connection, after its handshake.

    Args:
        is_client: which role the peer plays.
        codec: None where no compression was agreed on.
        unread: what came behind the handshake.
    """

    def __init__(self, sock: Any, *, is_client: bool, codec: Codec | None = None, unread: bytes = b"") -> None:
        self._sock = sock
        sock.setsockopt(stdlib_socket.IPPROTO_TCP, stdlib_socket.TCP_NODELAY, 1)  # a short write goes out at once
        self._is_client = is_client
        self._codec = codec
        self._received = bytearray(unread)
        self._events: deque[Event] = deque()
        self._ended = False
        self._has_closed = False
        self._opcode: int | None = None
        self._compressed = False
        self._parts: list[bytes] = []

    def octets_of(self, step: Frame | Fragments | bytes) -> list[bytes]:
        """Return what is to be sent, frame by frame."""
        if isinstance(step, bytes):
            return [step]
        if isinstance(step, Frame):
            return [self._encode(step)]
        payload, rsv = step.payload, 0
        if step.deflated and self._codec is not None:
            payload, rsv = self._codec.deflate(payload), 4
        size = step.size or len(payload) or 1
        last = max(0, len(payload) - 1) // size * size
        encoded = []
        for start in range(0, last + 1, size):
            opcode = CONTINUATION if start else step.opcode
            piece = Frame(opcode, payload[start : start + size], start == last, 0 if start else rsv)
            encoded.append(self._encode(piece))
        return encoded

    def _encode(self, frame: Frame) -> bytes:
        length = len(frame.payload) if frame.announced is None else frame.announced
        width = frame.width
        if width is None:
            width = 0 if length < 126 else 2 if length < 1 << 16 else 8
        is_masked = self._is_client != frame.wrong_mask
        short = {0: length, 2: 126, 8: 127}[width]
        head = bytes((frame.fin << 7 | frame.rsv << 4 | frame.opcode, is_masked << 7 | short))
        head += length.to_bytes(width, "big") if width else b""
        if not is_masked:
            return head + frame.payload
        key = os.urandom(4)
        return head + key + masked(frame.payload, key)

    def send(self, writes: Iterable[bytes]) -> None:
        """Write one after another, and meanwhile read; what the other side does not want to have is left."""
        for data in writes:
            rest = memoryview(data)
            while rest:
                reading = [] if self._ended else [self._sock]
                can_read, can_write, _ = _select(reading, [self._sock], [], WAIT_S)
                assert can_read or can_write, f"nothing was read for {WAIT_S} s"
                if can_read:
                    self._read()
                if can_write:
                    try:
                        rest = rest[self._sock.send(rest) :]
                    except BlockingIOError:
                        continue
                    except OSError:
                        return

    def finish(self) -> None:
        """End TCP in this direction."""
        try:
            self._sock.shutdown(stdlib_socket.SHUT_WR)
        except OSError:  # the other side has ended both
            return

    def next_event(self) -> Event:
        """Wait for what comes next."""
        while not self._events:
            assert readable(self._sock.fileno()), f"nothing came for {WAIT_S} s"
            self._read()
        return self._events.popleft()

    def _read(self) -> None:
        try:
            data = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except ConnectionResetError:
            self._ended = True
            self._events.append(End(reset=True))
            return
        if not data:
            self._ended = True
            assert not self._received, f"TCP ended in a frame: {bytes(self._received[:20]).hex(' ')}"
            self._events.append(End(reset=False))
            return
        self._received += data
        while self._take_frame():
            pass

    def _take_frame(self) -> bool:
        """Take one frame, if it is whole; the other side has to keep all the rules."""
        data = self._received
        if len(data) < 2:
            return False
        assert not self._has_closed, "something came behind the close frame"
        fin, rsv, opcode = data[0] >> 7, data[0] >> 4 & 7, data[0] & 15
        is_masked, length, start = data[1] >> 7, data[1] & 127, 2
        assert is_masked != self._is_client, "a frame with the wrong masking came"
        if length > 125:
            width = 2 if length == 126 else 8
            start += width
            if len(data) < start:
                return False
            length = int.from_bytes(data[2:start], "big")
            assert length > (125 if width == 2 else 65_535), "a length came that is longer than it need be"
            assert length < 1 << 63, "a length with its top bit set came"
        key = bytes(data[start : start + 4])
        start += 4 * is_masked
        if len(data) < start + length:
            return False
        payload = bytes(data[start : start + length])
        del data[: start + length]
        self._note(bool(fin), rsv, opcode, masked(payload, key) if is_masked else payload)
        return True

    def _note(self, fin: bool, rsv: int, opcode: int, payload: bytes) -> None:
        if opcode >= CLOSE:
            assert fin, "a control frame came in fragments"
            assert not rsv, "a control frame with reserved bits came"
            assert len(payload) < 126, "a long control frame came"
            self._note_control(opcode, payload)
            return
        if opcode == CONTINUATION:
            assert self._opcode is not None, "a continuation came without a first frame"
            assert not rsv, "a continuation with reserved bits came"
        else:
            assert opcode in (TEXT, BINARY), f"opcode {opcode} came"
            assert self._opcode is None, "a message came in a fragmented one"
            assert rsv == 0 or (rsv == 4 and self._codec is not None), f"reserved bits {rsv} came"
            self._opcode, self._compressed = opcode, rsv == 4
        self._parts.append(payload)
        if fin:
            self._note_message(self._opcode, b"".join(self._parts))
            self._opcode = None
            self._parts.clear()

    def _note_control(self, opcode: int, payload: bytes) -> None:
        if opcode == PONG:
            self._events.append(Pong(payload))
            return
        assert opcode == CLOSE, "a ping came" if opcode == PING else f"opcode {opcode} came"
        self._has_closed = True
        if not payload:
            self._events.append(CloseFrame(None, ""))
            return
        code = int.from_bytes(payload[:2], "big")
        assert code in _VALID_CODES, f"a close frame with {payload[:2].hex(' ')} came"
        reason = payload[2:].decode(errors="replace")
        assert reason.encode() == payload[2:], "a reason that is not UTF-8 came"
        self._events.append(CloseFrame(code, reason))

    def _note_message(self, opcode: int, payload: bytes) -> None:
        if self._compressed:
            assert self._codec is not None
            try:
                payload = self._codec.inflate(payload)
            except zlib.error as error:
                raise AssertionError(f"compressed other than agreed on: {error}") from error
        self._events.append(Message(opcode, payload))
