"""An open file as a body: how much of it is left, and its pieces."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["FILE_PIECE", "length_left", "read_pieces"]

FILE_PIECE: Final = 65_536


def length_left(file: Any) -> int | None:
    """Return how many bytes follow in a seekable file; None if it cannot tell, or tells none and yet has some (/proc).

    Not from fstat(): the descriptor of a GzipFile is that of the compressed file.
    """
    start: int = file.tell()
    try:
        file.seek(0, os.SEEK_END)
    except OSError:
        return None
    end: int = file.tell()
    length = max(0, end - start)
    file.seek(start)
    if length or not file.read(1):
        return length
    file.seek(start)
    return None


def read_pieces(file: Any, length: int | None) -> Iterator[Any]:
    """Yield what read() gives, up to ``length`` bytes: what is appended to the file meanwhile is not part of the body.

    Raises:
        ValueError: the file is in non-blocking mode, and has nothing just now.
    """
    left = length
    while left is None or left > 0:
        data = file.read(FILE_PIECE if left is None else min(left, FILE_PIECE))
        if data is None:
            raise ValueError("file is in non-blocking mode")  # None means: nothing yet
        if not data:
            return
        if left is not None:
            left -= len(data)
        yield data
