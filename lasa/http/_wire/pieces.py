"""Pieces of bodies: what may be one, and how to gather many.

They may be tiny, and an object for each byte would take forty times its memory.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["BYTES_LIKE", "TEXT_OR_BYTES", "TINY", "Pieces", "piece_bytes"]

BYTES_LIKE: Final = (bytes, bytearray, memoryview)
TEXT_OR_BYTES: Final = (str, *BYTES_LIKE)

TINY: Final = 512  # bytes; such pieces are copied together at once


class Pieces:
    """Bytes in the order of their arrival; they take at most about twice their own size."""

    __slots__ = ("_large", "_loose", "size")

    def __init__(self) -> None:
        self._large: list[bytes] = []
        self._loose = bytearray()  # what follows the last large piece
        self.size = 0

    def add(self, piece: bytes) -> None:
        """Add a piece."""
        self.size += len(piece)
        if len(piece) < TINY:
            self._loose += piece
            return
        if self._loose:
            self._large.append(bytes(self._loose))
            self._loose.clear()
        self._large.append(piece)

    def joined(self) -> bytes:
        """Return all of it, without a copy where it is one large piece."""
        if not self._large:
            return bytes(self._loose)
        if self._loose:
            return b"".join([*self._large, self._loose])
        return self._large[0] if len(self._large) == 1 else b"".join(self._large)


def piece_bytes(piece: Any, what: str) -> bytes:
    """Return a piece that a caller gave as bytes, text as UTF-8.

    Args:
        what: how the error's text calls it.
    Raises:
        TypeError: neither str nor bytes-like.
    """
    if type(piece) is bytes:
        return piece
    if isinstance(piece, str):
        return piece.encode()
    if isinstance(piece, BYTES_LIKE):
        return bytes(piece)
    raise TypeError(f"{what}: bytes or str expected, got {type(piece).__name__}")
