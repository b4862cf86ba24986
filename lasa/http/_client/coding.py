"""Content codings undone within bounds: gzip, deflate, and br and zstd where they are installed.

A few bytes can stand for gigabytes, so bodies are inflated one small piece at a time, no further than the reader has
read, and no further than a limit, which may grow with what has come of the body. A compressed stream that stops early
is an error, never a short success.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Protocol

from lasa.http._wire.errors import BodyTooLarge, DecodeError

__all__ = ["ACCEPT_ENCODING", "INFLATED_TOO_LARGE", "Decoder", "decoder_of"]

INFLATED_TOO_LARGE: Final = "inflated body too large"

_CODINGS_MAX = 3
RATIO_FREE: Final = 16 * 1024 * 1024  # bytes that may be made of any few: a ratio says nothing of small bodies

# What is handed out at once, and so what is inflated ahead of the reader.
_PIECE_BYTES = 256 * 1024

# zlib copies the input it did not come to at every call, brotli and zstd keep it: given in slices, it stays short.
_SLICE_BYTES = 64 * 1024
# A further member begins with short slices, since what lies behind its end is copied as well, and it may be tiny.
_FIRST_SLICE_BYTES = 1024

# RFC 9659: the zstd content coding needs no window above 8 MB, so nobody can ask for more memory than that.
_ZSTD_WINDOW_LOG_MAX = 23
# Each frame costs a fresh decompressor, 15 µs for as little as 9 bytes.
_ZSTD_FRAMES_MAX = 10_000
_MEMBERS_AT_ONCE = 256  # between which others can be given their turn

_GZIP_MAGIC = b"\x1f\x8b"

_NOT_ZERO = re.compile(rb"[^\0]")


def _optional(name: str) -> Any:
    """Import a module that need not be installed; None where it is not."""
    try:
        return import_module(name)
    except ModuleNotFoundError:  # not what fails for now only, such as for want of descriptors
        return None


_brotli = _optional("brotli")
if not hasattr(getattr(_brotli, "Decompressor", None), "can_accept_more_data"):
    _brotli = None  # before 1.2 it inflates without bound
_zstd = _optional("compression.zstd") or _optional("backports.zstd")


class _Stream(Protocol):
    """One member of a compressed body.

    Attributes:
        hungry: all that was fed has been used; while it is not, take(b"") gives more.
        ended: the member is complete.
        spare: the bytes that were fed behind its end.
    """

    @property
    def hungry(self) -> bool: ...
    @property
    def ended(self) -> bool: ...
    @property
    def spare(self) -> bytes: ...
    def take(self, data: bytes, size: int) -> bytes:
        """Feed ``data`` and return about ``size`` bytes at most."""


class _Zlib:
    """gzip, or deflate in zlib's wrapping."""

    __slots__ = ("_stream", "hungry")

    def __init__(self, wbits: int) -> None:
        self._stream = zlib.decompressobj(wbits)
        self.hungry = True

    @property
    def ended(self) -> bool:
        return self._stream.eof

    @property
    def spare(self) -> bytes:
        return self._stream.unused_data

    def take(self, data: bytes, size: int) -> bytes:
        piece = self._stream.decompress(data or self._stream.unconsumed_tail, size)
        # A full piece may have left bytes inside zlib that need no more input.
        self.hungry = len(piece) < size and not self._stream.unconsumed_tail
        return piece


class _Deflate(_Zlib):
    """deflate as it occurs: in zlib's wrapping, as it should be, or bare, as some servers send it."""

    __slots__ = ("_head",)

    def __init__(self) -> None:
        super().__init__(zlib.MAX_WBITS)
        self._head: bytes | None = b""

    def take(self, data: bytes, size: int) -> bytes:
        if self._head is None:
            return super().take(data, size)
        # A bare stream begins like zlib's header only if it has a stored block with odd padding: no encoder does that.
        data = self._head + data
        may_be_wrapped = data[0] & 15 == 8 and data[0] >> 4 <= 7
        if may_be_wrapped and len(data) < 2:
            self._head = data
            return b""
        if not may_be_wrapped or int.from_bytes(data[:2]) % 31:
            self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._head = None
        return super().take(data, size)


class _Brotli:
    """br; bytes behind the end are an error of its own."""

    __slots__ = ("_stream", "hungry")

    spare = b""

    def __init__(self) -> None:
        self._stream = _brotli.Decompressor()
        self.hungry = True

    @property
    def ended(self) -> bool:
        return bool(self._stream.is_finished())

    def take(self, data: bytes, size: int) -> bytes:
        # It stops at the end of a block of its own, which is twice the limit at most.
        limit = max(1, size // 2)
        piece: bytes = self._stream.process(data, output_buffer_limit=limit)
        # It also "can accept more data" while the output of what it has is waiting.
        self.hungry = len(piece) < limit and self._stream.can_accept_more_data()
        return piece


class _Zstd:
    """One frame of zstd."""

    __slots__ = ("_stream",)

    def __init__(self) -> None:
        window = {_zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG_MAX}
        self._stream = _zstd.ZstdDecompressor(options=window)

    @property
    def hungry(self) -> bool:
        return bool(self._stream.needs_input)

    @property
    def ended(self) -> bool:
        return bool(self._stream.eof)

    @property
    def spare(self) -> bytes:
        data: bytes = self._stream.unused_data
        return data

    def take(self, data: bytes, size: int) -> bytes:
        piece: bytes = self._stream.decompress(data, size)
        return piece


@dataclass(frozen=True, slots=True)
class _Coding:
    """A content coding.

    Attributes:
        start: begins to undo one member; what that raises is ``error``.
        members_max: how many may follow each other.
        magic: how a further member begins. What begins otherwise is dropped, be it padding or what a server has left
            in its buffer. None: everything is a member; b"": nothing is.
    """

    name: str
    start: Callable[[], _Stream]
    error: type[Exception]
    members_max: int | None = 1
    magic: bytes | None = None


_GZIP = _Coding("gzip", lambda: _Zlib(zlib.MAX_WBITS | 16), zlib.error, members_max=None, magic=_GZIP_MAGIC)
_CODINGS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _Coding("deflate", _Deflate, zlib.error, magic=b"")}
if _brotli is not None:
    _CODINGS["br"] = _Coding("br", _Brotli, _brotli.error)
if _zstd is not None:
    _CODINGS["zstd"] = _Coding("zstd", _Zstd, _zstd.ZstdError, members_max=_ZSTD_FRAMES_MAX)

# What this installation undoes, as the value of an Accept-Encoding header.
ACCEPT_ENCODING: Final[str] = ", ".join(name for name in _CODINGS if name != "x-gzip")


class _Allowance:
    """How much a body may become.

    Attributes:
        fed: bytes that have come of it.
    """

    __slots__ = ("_ratio", "fed")

    def __init__(self, ratio: float | None) -> None:
        self._ratio = ratio
        self.fed = 0

    def of(self, limit: int) -> int:
        """Return how much of ``limit`` it may be by now."""
        return limit if self._ratio is None else min(limit, max(RATIO_FREE, int(self._ratio * self.fed)))


class _Stage:
    """One coding of a body: as many members as come, one after another."""

    __slots__ = ("_allowance", "_coding", "_head", "_is_over", "_limit", "_made", "_members", "_slice_bytes", "_stream")

    def __init__(self, coding: _Coding, max_bytes: int, allowance: _Allowance) -> None:
        self._coding = coding
        self._limit = max_bytes
        self._allowance = allowance
        self._made = 0
        self._stream: _Stream | None = None
        self._members = 0
        self._head = b""  # what may become the beginning of a further member
        self._is_over = False  # whether something else has followed the last one
        self._slice_bytes = _SLICE_BYTES

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._head:
            data, self._head = self._head + data, b""
        at = 0
        while at < len(data) and not self._is_over:
            if self._stream is None:
                at = self._begin_member(data, at)
                if not self._members % _MEMBERS_AT_ONCE:
                    yield b""
                continue
            part = data[at : at + self._slice_bytes]
            at += len(part)
            self._slice_bytes = min(2 * self._slice_bytes, _SLICE_BYTES)
            yield from self._inflate(self._stream, part)
            if self._stream.ended:
                at -= len(self._stream.spare)
                self._stream = None

    def feed_all(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for data in pieces:
            yield from self.feed(data)
            yield b""

    def finish(self) -> None:
        if self._stream is not None or self._head:
            raise DecodeError(f"truncated {self._coding.name} body")

    def _begin_member(self, data: bytes, at: int) -> int:
        """Begin a member at ``at``, or behind the padding there; return where, or the end if nothing begins."""
        if self._members:
            magic = self._coding.magic
            if magic is not None:
                found = _NOT_ZERO.search(data, at)
                if found is None:
                    return len(data)
                at = found.start()
                begun = data[at : at + len(magic)]
                if begun != magic or not magic:
                    if begun and magic.startswith(begun):  # more is to come
                        self._head = begun
                    else:
                        self._is_over = True
                    return len(data)
            if self._members == self._coding.members_max:
                raise DecodeError(f"bad {self._coding.name} body")
            self._slice_bytes = _FIRST_SLICE_BYTES
        self._members += 1
        self._stream = self._coding.start()
        return at

    def _inflate(self, stream: _Stream, data: bytes) -> Iterator[bytes]:
        while True:
            left = self._allowance.of(self._limit) - self._made
            try:
                # One byte more than allowed tells that there is more; nothing else needs to be inflated for that.
                piece = stream.take(data, min(_PIECE_BYTES, left + 1))
            except self._coding.error as exc:
                raise DecodeError(f"bad {self._coding.name} body") from exc
            data = b""
            allowed = min(len(piece), left)
            self._made += allowed
            for start in range(0, allowed, _PIECE_BYTES):
                yield piece[start : min(start + _PIECE_BYTES, allowed)]
            if allowed < len(piece):
                raise BodyTooLarge(INFLATED_TOO_LARGE)
            if stream.ended or stream.hungry:
                return


class Decoder:
    """Undoes the content codings of one body; made by decoder_of().

    After an error nothing more can be fed.
    """

    __slots__ = ("_allowance", "_stages")

    def __init__(self, stages: list[_Stage], allowance: _Allowance) -> None:
        self._stages = stages
        self._allowance = allowance

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Return the pieces that ``data`` stands for, none larger than 256 KiB.

        They are inflated while they are taken. An empty one says that there was work to do, so that others can be given
        a turn. All of them must be taken before the next call.

        Raises:
            DecodeError: while they are taken: "bad gzip body", or the name of the other coding; "inflated body too
                large", after as many bytes as are allowed.
        """
        self._allowance.fed += len(data)
        pieces = self._stages[0].feed(data)
        for stage in self._stages[1:]:
            pieces = stage.feed_all(pieces)
        return pieces

    def finish(self) -> Iterator[bytes]:
        """Check that the body is complete; all its pieces have been returned by feed(), so there are none here.

        Raises:
            DecodeError: "truncated gzip body", or the name of the other coding.
        """
        for stage in self._stages:
            stage.finish()
        return iter(())


def decoder_of(content_encoding: str | None, max_bytes: int, max_ratio: float | None = None) -> Decoder | None:
    """Return what undoes a body's codings.

    Args:
        content_encoding: the value of the header; of a repeated header the values joined by commas.
        max_bytes: how many bytes the body may have when it is inflated.
        max_ratio: beyond 16 MiB also how many times as many as have come.
    Returns:
        a Decoder; None where the body is to be handed over as it came: no coding, or one that is not known here.
    Raises:
        DecodeError: "too many content codings", more than three.
    """
    if not content_encoding:
        return None
    names = [name.strip(" \t").lower() for name in content_encoding.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if len(names) > _CODINGS_MAX:
        raise DecodeError("too many content codings")
    if not names or any(name not in _CODINGS for name in names):
        return None
    # What lies between two codings is compressed, so hardly larger than the body; without a bound it could be
    # gigabytes of empty blocks that stand for nothing.
    between_bytes = max_bytes + max_bytes // 8 + _SLICE_BYTES
    allowance = _Allowance(max_ratio)
    inner_first = [
        _Stage(_CODINGS[name], between_bytes if at else max_bytes, allowance) for at, name in enumerate(names)
    ]
    return Decoder(inner_first[::-1], allowance)
