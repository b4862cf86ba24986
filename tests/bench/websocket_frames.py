"""The bytes that the raw WebSocket load sends and expects, prepared ahead; no sockets.

Every contestant gets the same bytes. A frame's payload is masked once for a few keys: masking is the server's work
here and not the load's.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import zlib
from dataclasses import dataclass
from typing import Final

__all__ = [
    "BINARY",
    "HEAD_END",
    "TEXT",
    "Traffic",
    "binary",
    "check_upgrade",
    "compressed_texts",
    "frame",
    "frame_end",
    "payload_start",
    "texts",
    "upgrade_request",
]

TEXT: Final = 0x81  # FIN and the opcode
BINARY: Final = 0x82
RSV1: Final = 0x40
MASKED: Final = 0x80
HEAD_END: Final = b"\r\n\r\n"

KEYS: Final = 4
SEED: Final = 6455
# 64 kB of different texts: none of them is still in the largest window when its turn comes again.
TEXTS: Final = 64
# The texts are compressed with a window of 2 kB, so that they suit whatever size of window a server asks for.
WINDOW_BITS: Final = 11
FLUSH_END: Final = b"\x00\x00\xff\xff"

HANDSHAKE_KEY: Final = base64.b64encode(b"sixteen bytes it")
ACCEPT: Final = base64.b64encode(hashlib.sha1(HANDSHAKE_KEY + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
OFFER: Final = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

WORDS: Final = (
    *("price", "Zoë", "bid", "ask", "depth", "open", "high", "low", "close", "volume", "Köln", "London", "symbol"),
    *("update", "snapshot", "sequence", "trade", "buyer", "seller", "naïve", "fill", "cancel", "partial", "book"),
)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a connection sends, one after another and over again.

    Attributes:
        payloads: of each message, what an echo of it must hold.
        frames: of each message, its bytes as they are sent.
        first_byte: of the answer's frame.
    """

    payloads: tuple[bytes, ...]
    frames: tuple[bytes, ...]
    first_byte: int

    @property
    def is_compressed(self) -> bool:
        """Whether an answer's payload has to be inflated, and may have any size."""
        return bool(self.first_byte & RSV1)


def binary(payload: bytes) -> Traffic:
    """Binary messages that are all the same but for the masking key."""
    keys = random.Random(SEED)
    frames = tuple(frame(BINARY, payload, keys.randbytes(4)) for _ in range(KEYS))
    return Traffic((payload,) * KEYS, frames, BINARY)


def texts(size: int) -> Traffic:
    """Different JSON texts of so many bytes each."""
    words = random.Random(SEED)
    payloads = tuple(_json_text(words, size) for _ in range(TEXTS))
    return Traffic(payloads, tuple(frame(TEXT, text, words.randbytes(4)) for text in payloads), TEXT)


def compressed_texts(size: int) -> Traffic:
    """The same texts under permessage-deflate, each compressed on its own."""
    plain, keys = texts(size), random.Random(SEED)
    frames = []
    for text in plain.payloads:
        deflater = zlib.compressobj(wbits=-WINDOW_BITS)
        data = deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH)
        frames.append(frame(TEXT | RSV1, data.removesuffix(FLUSH_END), keys.randbytes(4)))
    return Traffic(plain.payloads, tuple(frames), TEXT | RSV1)


def _json_text(words: random.Random, size: int) -> bytes:
    fields: dict[str, object] = {}
    while len(text := json.dumps(fields, ensure_ascii=False).encode()) < size:
        fields[f"{words.choice(WORDS)} {words.randrange(1000)}"] = words.choice((words.choice(WORDS), words.random()))
    while len(text) > size:
        text = text.rpartition(b",")[0] + b"}"
    return text.ljust(size)


def frame(first_byte: int, payload: bytes, key: bytes = b"") -> bytes:
    """Return a whole frame, masked if there is a key."""
    mask_bit, size = MASKED if key else 0, len(payload)
    if size < 126:
        head = bytes((first_byte, mask_bit | size))
    elif size < 1 << 16:
        head = bytes((first_byte, mask_bit | 126)) + size.to_bytes(2)
    else:
        head = bytes((first_byte, mask_bit | 127)) + size.to_bytes(8)
    if not key:
        return head + payload
    mask = (key * (size // 4 + 1))[:size]
    return head + key + (int.from_bytes(payload) ^ int.from_bytes(mask)).to_bytes(size)


def payload_start(data: bytes | bytearray) -> int:
    """Where the payload of a frame that is not masked begins; two bytes of it must be there."""
    return {126: 4, 127: 10}.get(data[1], 2)


def frame_end(data: bytes | bytearray, have: int) -> int:
    """Where the frame ends that begins at 0, of which ``have`` bytes have come; more than ``have`` if not yet known."""
    if have < 2:
        return 2
    length = data[1]
    if length < 126:
        return 2 + length
    start = 4 if length == 126 else 10
    return start + int.from_bytes(data[2:start]) if have >= start else start


def upgrade_request(port: int, *, deflate: bool) -> bytes:
    """Return the opening handshake, which offers permessage-deflate as browsers do, or nothing."""
    return (
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" % port
        + b"Sec-WebSocket-Key: %b\r\nSec-WebSocket-Version: 13\r\n" % HANDSHAKE_KEY
        + (OFFER if deflate else b"")
        + b"\r\n"
    )


def check_upgrade(head: bytes, *, deflate: bool) -> None:
    """Refuse an answer to the opening handshake that is not what was asked for.

    Raises:
        ValueError: not an upgrade; not for our key; compression without our offer, or none in spite of it.
    """
    accept = re.search(rb"\r\nsec-websocket-accept: *([^\r]+)", head, re.IGNORECASE)
    agreed = re.search(rb"\r\nsec-websocket-extensions: *permessage-deflate([^\r]*)", head, re.IGNORECASE)
    window = re.search(rb"client_max_window_bits=\"?(\d+)", agreed[1]) if agreed else None
    if not head.startswith(b"HTTP/1.1 101 ") or not accept or accept[1] != ACCEPT or bool(agreed) != deflate:
        raise ValueError(repr(head))
    if window and int(window[1]) < WINDOW_BITS:
        raise ValueError(f"a window of {int(window[1])} bits")
