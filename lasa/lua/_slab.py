"""How much fits into a shared dictionary: the pages of nginx's slab allocator, counted instead of laid out.

A script is written for a dictionary of so many megabytes, and what is evicted when depends on how nginx divides them:
whole pages for what is large, pages of chunks of one size for the rest. Counting says the same as nginx does, but for
pages that are half empty after much was removed.
"""

from __future__ import annotations

from typing import Final

__all__ = ["PAGE", "Slab"]

PAGE: Final = 4096
_CHUNK_MIN: Final = 8
_CHUNK_MAX: Final = PAGE // 2
_POOL_HEAD: Final = 704  # nginx's own records at the beginning of the memory, and for each page
_PAGE_HEAD: Final = 24
# Chunks below 64 bytes have the map of those in use on the page itself.
_PER_PAGE: Final = {8: 504, 16: 254, 32: 127} | {chunk: PAGE // chunk for chunk in (64, 128, 256, 512, 1024, 2048)}


class Slab:
    """The memory of one dictionary of ``size`` bytes."""

    __slots__ = ("_chunks_used", "free_pages")

    def __init__(self, size: int) -> None:
        pages = max(0, size - _POOL_HEAD) // (PAGE + _PAGE_HEAD)
        heads = -(-(_POOL_HEAD + pages * _PAGE_HEAD) // PAGE) * PAGE  # the first page begins at a whole one
        self.free_pages = min(pages, (size - heads) // PAGE)
        self._chunks_used: dict[int, int] = {}

    def take(self, size: int) -> bool:
        """Take ``size`` bytes; False means there is no room for them."""
        if size > _CHUNK_MAX:
            pages = -(-size // PAGE)
            if pages > self.free_pages:
                return False
            self.free_pages -= pages
            return True
        chunk = _chunk_of(size)
        used = self._chunks_used.get(chunk, 0)
        if used % _PER_PAGE[chunk] == 0:
            if not self.free_pages:
                return False
            self.free_pages -= 1
        self._chunks_used[chunk] = used + 1
        return True

    def give(self, size: int) -> None:
        """Give back what take(size) took."""
        if size > _CHUNK_MAX:
            self.free_pages += -(-size // PAGE)
            return
        chunk = _chunk_of(size)
        used = self._chunks_used[chunk] - 1
        self._chunks_used[chunk] = used
        if used % _PER_PAGE[chunk] == 0:
            self.free_pages += 1


def _chunk_of(size: int) -> int:
    return max(_CHUNK_MIN, 1 << (size - 1).bit_length())
