"""Pieces of bodies: what may be one, and how to gather many.

They may be tiny, and an object for each byte would take forty times its memory. They may be many, and joining them at
the end would take twice their memory.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

__all__ = ["BYTES_LIKE", "TEXT_OR_BYTES", "TINY", "Pieces", "piece_bytes"]

BYTES_LIKE: Final = (bytes, bytearray, memoryview)
TEXT_OR_BYTES: Final = (str, *BYTES_LIKE)

TINY: Final = 512  # bytes; such pieces are copied together at once
LARGE: Final = 4_194_304  # bytes; beyond it all pieces are copied together at once


class Pieces:
    """Bytes in the order of their arrival; they take at most twice their size, or a few MB more if they are much."""

    __slots__ = ("_file", "_large", "_loose", "size")

    def __init__(self) -> None:
        self._large: list[bytes] = []
        self._loose = bytearray()  # what follows the last large piece
        self._file: BytesIO | None = None  # which holds all, once that is much: it grows in place, and joins nothing
        self.size = 0

    def add(self, piece: bytes) -> None:
        """Add a piece."""
        self.size += len(piece)
        if self.size > LARGE:
            self._write(piece)
        elif len(piece) < TINY:
            self._loose += piece
        else:
            if self._loose:
                self._large.append(bytes(self._loose))
                self._loose.clear()
            self._large.append(piece)

    def _write(self, piece: bytes) -> None:
        if self._file is None:
            self._file = BytesIO()
            self._file.writelines([*self._large, self._loose])
            self._large, self._loose = [], bytearray()
        self._file.write(piece)

    def joined(self) -> bytes:
        """Return all of it, without a copy where it is one large piece, or much."""
        if self._file is not None:
            return self._file.getvalue()
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
