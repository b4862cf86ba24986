"""Masking: what a client sends is XORed with a key of four bytes, over and over (RFC 6455 section 5.3).

The C function of the ``websockets`` package does it at some 40 GB/s, and a frame of 16 bytes in 0.1 µs; Python's best
is 0.5 to 0.9 GB/s and 0.4 µs. Where the package was built without C, two ways in Python stand in for it: a large
integer for small frames, four translations for large ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from wsproto.frame_protocol import XorMaskerSimple

from lasa import _process

__all__ = ["Masker", "mask", "mask_in_python", "new_key"]

KEYS_AT_ONCE: Final = 256
SMALL: Final = 512  # bytes; below it one large integer is faster than four translations


def mask_in_python(data: bytes | memoryview, key: bytes) -> bytes:
    """As mask(), where no C is."""
    size = len(data)
    if size > SMALL:
        return bytes(XorMaskerSimple(key).process(bytearray(data)))
    keys = int.from_bytes((key * (size // 4 + 1))[:size], "little")
    return (int.from_bytes(data, "little") ^ keys).to_bytes(size, "little")


mask: Callable[[bytes | memoryview, bytes], bytes]
"""Return ``data`` masked, or unmasked, with ``key``, 4 bytes."""

try:
    from websockets.speedups import apply_mask as mask
except ModuleNotFoundError:  # not what fails for now only, such as for want of descriptors
    mask = mask_in_python


class Masker:
    """A key and how far it has been used, for a payload that comes in pieces; in wsproto's place of its own."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def process(self, data: bytes) -> bytes:
        """Unmask the next piece."""
        key = self._key
        turn = len(data) % 4
        if turn:
            self._key = key[turn:] + key[:turn]
        return mask(data, key)


class _Keys:
    # Keys must be unpredictable; the system is asked for many at once, which is ten times cheaper.
    __slots__ = ("_at", "_bytes")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._bytes = b""
        self._at = 0

    def take(self) -> bytes:
        at = self._at
        if at >= len(self._bytes):
            self._bytes = os.urandom(KEYS_AT_ONCE * 4)
            at = 0
        self._at = at + 4
        return self._bytes[at : at + 4]


_keys: Final = _Keys()
_process.at_fork("random bytes for masking keys", _keys.forget)

new_key: Final = _keys.take
"""Return a fresh masking key."""
