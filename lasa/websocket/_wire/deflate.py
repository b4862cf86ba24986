"""permessage-deflate (RFC 7692): what both sides agree on, and messages deflated and inflated.

wsproto has an extension of this name. It is not used, nor a subclass of it: what is wrong with it is its reading of
parameters and its way of inflating, which is all of it. It takes "server_max_window_bitsX" for a parameter, lets one
offer leave marks on the next, inflates without bound, and loses the connection behind a final block. Here a header is
read by its grammar, every answer is made from one offer and our settings, and nothing is inflated beyond a limit.

Control frames never come here, and which message is compressed (RSV1) is known to whoever reads the frames.
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Self

from lasa._values import integer, type_name
from lasa.errors import SocketError
from lasa.http._wire.grammar import TOKEN
from lasa.socket._options import refuse_unknown
from lasa.websocket._wire.closing import BAD_DATA, TOO_BIG, BadFrame

__all__ = [
    "NO_LIMIT",
    "Agreement",
    "BadCompressedData",
    "Deflate",
    "Deflater",
    "Inflater",
    "MessageTooBig",
    "agree",
    "answer",
    "offer",
    "split_extensions",
]

NO_LIMIT: Final = sys.maxsize - 1  # as a limit: zlib is asked for one byte more, which still fits its counter

_NAME: Final = "permessage-deflate"
_BITS: Final = {str(bits): bits for bits in range(8, 16)}  # as they must be written: no sign, no leading zero
_MOST_BITS: Final = 15
# zlib cannot deflate with a window of 256 bytes, and 512 would be more than the other side has room for.
_NOT_FOR_ZLIB: Final = 8

# An empty stored block, less its first bits: what every message ends with, and what is not sent (section 7.2.1).
_TAIL: Final = b"\x00\x00\xff\xff"
_EMPTY: Final = b"\x00"

# zlib copies the input that it did not come to: given in slices, a long one costs no more than it has bytes.
_SLICE_BYTES: Final = 16 * 1024
_PIECE_BYTES: Final = 256 * 1024
# So many in one part of a message: each may be two bytes and costs a fresh inflater. Whoever writes them at all writes
# one for a fragment.
_FINAL_BLOCKS_MAX: Final = 10_000

_CHARACTER: Final = TOKEN.removesuffix("+")
_EXTENSION: Final = re.compile(rf"({TOKEN})[ \t]*+")
# A value in quotes must be a token, too, once it is unescaped (RFC 6455 section 9.1).
_PARAMETER: Final = re.compile(
    rf';[ \t]*+({TOKEN})[ \t]*+(?:=[ \t]*+(?:({TOKEN})|"((?:{_CHARACTER}|\\{_CHARACTER})++)")[ \t]*+)?'
)
_COMMAS: Final = re.compile(r"[ \t,]*+")


class BadCompressedData(BadFrame):
    """What the peer compressed cannot be inflated."""

    def __init__(self, reason: str = "bad compressed data", code: int = BAD_DATA) -> None:
        super().__init__(reason, code)


class MessageTooBig(BadFrame):
    """A message is larger than it may be."""

    def __init__(self, reason: str = "message too big", code: int = TOO_BIG) -> None:
        super().__init__(reason, code)


@dataclass(frozen=True, slots=True)
class Deflate:
    """How messages are compressed: ``compression=Deflate(threshold=512)``.

    The window sizes are what to ask the other side for, and what to keep to. The defaults are small for the sake of
    many connections: a deflater takes 32 kB then, and an inflater 12 kB, where zlib's own defaults take 256 and 40.

    Attributes:
        server_max_window_bits: 8 to 15; the server's window is at most so large, as a power of 2. A server cannot
            deflate with 8 and declines compression.
        client_max_window_bits: the same of the client. A client that has agreed on 8 sends its messages as they are.
        server_no_context_takeover: whether the server begins every message with an empty window: less memory on both
            sides between messages, and less compression.
        client_no_context_takeover: the same of the client.
        threshold: in bytes; smaller messages are sent as they are.
        level: 0 (nothing gained), 1 (fast) to 9 (small); of zlib.
        mem_level: 1 to 9; the memory for deflating beside the window, of zlib.
    """

    server_max_window_bits: int = 12
    client_max_window_bits: int = 12
    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    # Shorter than the packet headers in front of it, about 60 bytes, a message has little to save: 64 bytes of JSON
    # become some 20, a third of what travels, for 4 µs of deflating; 32 bytes become 12 for 3 µs.
    threshold: int = 64
    level: int = 6
    mem_level: int = 5

    def __post_init__(self) -> None:
        self._set_integer("server_max_window_bits", 8, 15)
        self._set_integer("client_max_window_bits", 8, 15)
        self._set_integer("threshold", 0, NO_LIMIT)
        self._set_integer("level", 0, 9)
        self._set_integer("mem_level", 1, 9)
        for name in ("server_no_context_takeover", "client_no_context_takeover"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise TypeError(f'bad "{name}" option type: {type_name(value)}')

    def _set_integer(self, name: str, least: int, most: int) -> None:
        given = getattr(self, name)
        value = integer(given)
        if value is None:
            raise TypeError(f'bad "{name}" option type: {type_name(given)}')
        if not least <= value <= most:
            raise ValueError(f'bad "{name}" option value: {value}')
        object.__setattr__(self, name, value)

    @classmethod
    def of(cls, value: Any) -> Self | None:
        """Return what the option ``compression`` means; None for no compression.

        Args:
            value: True, for all defaults; False or None; a mapping of settings; or a Deflate.
        Raises:
            TypeError, ValueError: ``bad "compression" option type: T``, ``unknown option "NAME"``, or what is wrong
                with a setting.
        """
        if value is None or value is False:
            return None
        if value is True:
            return cls()
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise TypeError(f'bad "compression" option type: {type_name(value)}')
        refuse_unknown(value, *(field.name for field in fields(cls)))
        return cls(**value)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both sides keep to on one connection; the first four as in RFC 7692, the others our own settings."""

    server_max_window_bits: int
    client_max_window_bits: int
    server_no_context_takeover: bool
    client_no_context_takeover: bool
    threshold: int
    level: int
    mem_level: int

    def deflater(self, *, is_client: bool) -> Deflater | None:
        """Return what compresses our messages; None where they must be sent as they are: zlib has no such window.

        Args:
            is_client: whether we are the client.
        """
        bits = self.client_max_window_bits if is_client else self.server_max_window_bits
        resets = self.client_no_context_takeover if is_client else self.server_no_context_takeover
        return None if bits == _NOT_FOR_ZLIB else Deflater(bits, resets, self.level, self.mem_level)

    def inflater(self, *, is_client: bool) -> Inflater:
        """Return what inflates the peer's messages.

        Args:
            is_client: whether we are the client.
        """
        if is_client:
            return Inflater(self.server_max_window_bits, self.server_no_context_takeover)
        return Inflater(self.client_max_window_bits, self.client_no_context_takeover)


def split_extensions(value: str | bytes) -> list[tuple[str, list[tuple[str, str | None]]]]:
    """Read a Sec-WebSocket-Extensions header (RFC 6455 section 9.1).

    Names and parameters keep their case, since it counts.

    Args:
        value: of the header; of a repeated one the values joined by commas.
    Returns:
        each extension with its parameters, in order; a parameter that stands alone has the value None.
    Raises:
        ValueError: the grammar knows no such header; one without any extension is among these.
    """
    text = value if isinstance(value, str) else value.decode("latin-1")
    found: list[tuple[str, list[tuple[str, str | None]]]] = []
    at = _COMMAS.match(text).end()  # type: ignore[union-attr]  # it always matches
    while at < len(text):
        name = _EXTENSION.match(text, at)
        if name is None:
            raise ValueError('bad "sec-websocket-extensions" header')
        at = name.end()
        parameters: list[tuple[str, str | None]] = []
        while parameter := _PARAMETER.match(text, at):
            key, plain, quoted = parameter.groups()
            parameters.append((key, plain if quoted is None else quoted.replace("\\", "")))
            at = parameter.end()
        found.append((name[1], parameters))
        if at < len(text) and text[at] != ",":
            raise ValueError('bad "sec-websocket-extensions" header')
        at = _COMMAS.match(text, at).end()  # type: ignore[union-attr]
    if not found:
        raise ValueError('bad "sec-websocket-extensions" header')
    return found


class _Unfit(Exception):
    """An offer or an answer is not as it must be; the argument says in which way."""


@dataclass(slots=True)
class _Parameters:
    """The parameters of one offer or answer; True of a window: named without a size."""

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int | None = None
    client_max_window_bits: int | bool | None = None

    @classmethod
    def read(cls, pairs: list[tuple[str, str | None]], *, is_offer: bool) -> Self:
        """Check the parameters.

        Raises:
            _Unfit: one is unknown, repeated, or has a value that it must not have.
        """
        found = cls()
        seen = set()
        for name, value in pairs:
            if name in seen:
                raise _Unfit("duplicate parameter")
            seen.add(name)
            if name in ("server_no_context_takeover", "client_no_context_takeover"):
                if value is not None:
                    raise _Unfit(name)
                setattr(found, name, True)
            elif name in ("server_max_window_bits", "client_max_window_bits"):
                if value in _BITS:
                    setattr(found, name, _BITS[value])
                elif value is None and is_offer and name == "client_max_window_bits":
                    found.client_max_window_bits = True
                else:
                    raise _Unfit(name)
            else:
                raise _Unfit("unknown parameter")
        return found

    def text(self) -> str:
        """Return them as they are sent, behind the extension's name."""
        parts = [_NAME]
        if self.server_no_context_takeover:
            parts.append("server_no_context_takeover")
        if self.client_no_context_takeover:
            parts.append("client_no_context_takeover")
        if self.server_max_window_bits is not None:
            parts.append(f"server_max_window_bits={self.server_max_window_bits}")
        if self.client_max_window_bits is True:
            parts.append("client_max_window_bits")
        elif self.client_max_window_bits is not None:
            parts.append(f"client_max_window_bits={self.client_max_window_bits}")
        return "; ".join(parts)


def offer(settings: Deflate) -> str:
    """Return a client's Sec-WebSocket-Extensions header.

    Many servers cannot limit their window and must decline an offer that asks for it. So there are two: one that
    asks, and behind it, without any window size, the one that browsers send, which is understood everywhere. Section
    7.1.3 has the same example. What the user wants to be without context is in both.
    """
    resets = settings.server_no_context_takeover, settings.client_no_context_takeover
    plain = _Parameters(*resets, None, True)
    server_bits, client_bits = settings.server_max_window_bits, settings.client_max_window_bits
    if server_bits == client_bits == _MOST_BITS:
        return plain.text()
    wished = _Parameters(
        *resets,
        server_bits if server_bits < _MOST_BITS else None,
        client_bits if client_bits < _MOST_BITS else True,
    )
    return f"{wished.text()}, {plain.text()}"


def agree(settings: Deflate, answer: Sequence[str]) -> Agreement | None:
    """Check a server's answer to offer().

    An answer that takes our second offer may leave out the server's window or name any size, which is then what we
    make room for. Of our own window the smaller size counts, as we said in the first.

    Args:
        settings: what offer() was called with.
        answer: the values of the Sec-WebSocket-Extensions headers.
    Returns:
        what is agreed; None: no compression.
    Raises:
        SocketError: ``bad "sec-websocket-extensions" response header: …``, with "syntax", "unknown extension",
            "duplicate extension", "unknown parameter", "duplicate parameter", or the name of the parameter that is
            wrong or missing.
    """
    if not answer:
        return None
    try:
        return _agreed(settings, answer)
    except _Unfit as unfit:
        raise SocketError(f'bad "sec-websocket-extensions" response header: {unfit}') from None


def _agreed(settings: Deflate, answer: Sequence[str]) -> Agreement:
    try:
        extensions = split_extensions(",".join(answer))
    except ValueError:
        raise _Unfit("syntax") from None
    if any(name != _NAME for name, _ in extensions):
        raise _Unfit("unknown extension")
    if len(extensions) > 1:
        raise _Unfit("duplicate extension")
    said = _Parameters.read(extensions[0][1], is_offer=False)
    if settings.server_no_context_takeover and not said.server_no_context_takeover:
        raise _Unfit("server_no_context_takeover")
    return Agreement(
        said.server_max_window_bits or _MOST_BITS,
        min(said.client_max_window_bits or _MOST_BITS, settings.client_max_window_bits),
        said.server_no_context_takeover,
        # Ours to decide: a server that wants it must be obeyed, one that does not mention it need not know.
        said.client_no_context_takeover or settings.client_no_context_takeover,
        settings.threshold,
        settings.level,
        settings.mem_level,
    )


def answer(settings: Deflate, offers: Sequence[str]) -> tuple[str, Agreement] | None:
    """Choose among a client's offers: the first one that can be met.

    Args:
        settings: ours.
        offers: the values of the Sec-WebSocket-Extensions headers.
    Returns:
        ``(header, agreement)``, the header being the answer's; None: no compression.
    Raises:
        SocketError: ``bad "sec-websocket-extensions" request header``, one that cannot be read at all.
    """
    if not offers:
        return None
    try:
        extensions = split_extensions(",".join(offers))
    except ValueError:
        raise SocketError('bad "sec-websocket-extensions" request header') from None
    for name, pairs in extensions:
        if name == _NAME:
            try:
                return _met(settings, _Parameters.read(pairs, is_offer=True))
            except _Unfit:
                continue
    return None


def _met(settings: Deflate, wanted: _Parameters) -> tuple[str, Agreement]:
    """Return the answer to one offer.

    Raises:
        _Unfit: it must be declined.
    """
    server_bits = min(settings.server_max_window_bits, wanted.server_max_window_bits or _MOST_BITS)
    if server_bits == _NOT_FOR_ZLIB:
        raise _Unfit("server_max_window_bits")
    client_bits = _MOST_BITS
    if wanted.client_max_window_bits is not None:  # else it must not be limited
        asked = _MOST_BITS if wanted.client_max_window_bits is True else wanted.client_max_window_bits
        client_bits = min(settings.client_max_window_bits, asked)
    said = _Parameters(
        # A wish of the client about its own context is repeated as well: some wait for it.
        settings.server_no_context_takeover or wanted.server_no_context_takeover,
        settings.client_no_context_takeover or wanted.client_no_context_takeover,
        # Nothing is said that was not asked: a smaller window needs no permission, and some clients stumble over it.
        None if wanted.server_max_window_bits is None else server_bits,
        client_bits if client_bits < _MOST_BITS else None,
    )
    agreement = Agreement(
        server_bits,
        client_bits,
        said.server_no_context_takeover,
        said.client_no_context_takeover,
        settings.threshold,
        settings.level,
        settings.mem_level,
    )
    return said.text(), agreement


class Inflater:
    """Inflates the messages of one direction; takes no memory to speak of until the first one.

    A message that comes in whole frames goes through inflate(), frame by frame. One that is wanted in pieces goes
    through feed(), and then take() until nothing is left. After an error nothing more can be inflated.

    A message without a single byte counts as empty: the byte that should be there is forgotten by some peers.

    Args:
        window_bits: at least what the peer deflates with.
        resets: whether the peer begins every message with an empty window.

    Attributes:
        has_more: whether take() may have more of what was fed.
    """

    __slots__ = ("_at", "_bits", "_final_blocks", "_input", "_is_inside", "_is_last", "_resets", "_stream", "has_more")

    def __init__(self, window_bits: int, resets: bool) -> None:
        self._bits = window_bits
        self._resets = resets
        self._stream: zlib._Decompress | None = None
        self._is_inside = False  # something of this message has come, since its begin or since a final block
        self._is_last = False
        self._input = b""
        self._at = 0
        self._final_blocks = 0
        self.has_more = False

    def inflate(self, data: bytes, is_last: bool, limit: int) -> bytes:
        """Return what a frame, or any part of a message, stands for.

        Args:
            data: of the message, as it came.
            is_last: whether the message ends with it.
            limit: how many bytes may be returned, 0 or more: what is left of the limit on the message, or NO_LIMIT.
                Nothing is inflated beyond.
        Raises:
            BadCompressedData: it cannot be inflated.
            MessageTooBig: it is more than ``limit``.
        """
        stream = self._stream
        if stream is None or self.has_more:
            stream = self._begin()
        if is_last:
            if not data and not self._is_inside:
                return b""
            data = data + _TAIL
            self._is_inside = False
        elif data:
            self._is_inside = True
        try:
            output = stream.decompress(data, limit + 1)
        except zlib.error as error:
            self._give_up()
            raise BadCompressedData() from error
        if len(output) > limit:
            self._give_up()
            raise MessageTooBig()
        if stream.eof:
            output = self._inflate_behind_final_block(output, stream.unused_data, is_last, limit)
        elif is_last and self._resets:
            self._stream = None
        return output

    def feed(self, data: bytes, is_last: bool) -> None:
        """Take in the next part of a message, which take() gives inflated.

        Args:
            data: of the message, as it came; everything fed before must have been taken.
            is_last: whether the message ends with it.
        """
        if self.has_more:
            raise RuntimeError("what was fed before is not taken yet")
        if is_last and (data or self._is_inside):
            data = data + _TAIL
        self._begin_input(data, is_last)
        self._is_inside = self._is_inside or bool(data)
        if not data:
            self._end_input()

    def take(self, max_bytes: int) -> bytes:
        """Return the next inflated bytes, ``max_bytes`` (at least 1) at most; b"": no more of what was fed.

        Raises:
            BadCompressedData: it cannot be inflated.
        """
        if max_bytes < 1:  # zlib takes 0 for no limit
            raise ValueError("max_bytes must be at least 1")
        if not self.has_more:
            return b""
        try:
            return self._take(max_bytes)
        except zlib.error as error:
            self._give_up()
            raise BadCompressedData() from error

    def _begin(self) -> zlib._Decompress:
        if self.has_more:
            raise RuntimeError("what was fed before is not taken yet")
        self._stream = stream = zlib.decompressobj(-self._bits)
        return stream

    def _begin_input(self, data: bytes, is_last: bool) -> None:
        self._input = data
        self._at = 0
        self._is_last = is_last
        self._final_blocks = 0
        self.has_more = True

    def _end_input(self) -> None:
        self._input = b""
        self.has_more = False
        if self._is_last:
            self._is_inside = False
            if self._resets:
                self._stream = None

    def _give_up(self) -> None:
        self._stream = None
        self._input = b""
        self.has_more = False

    def _take(self, max_bytes: int) -> bytes:
        data = self._input
        while True:
            stream = self._stream or zlib.decompressobj(-self._bits)
            self._stream = stream
            piece = data[self._at : self._at + _SLICE_BYTES]
            output = stream.decompress(piece, max_bytes)
            if stream.eof:
                self._at += len(piece) - len(stream.unused_data)  # unconsumed_tail may hold the same bytes again
                self._note_final_block(len(data) - self._at)
                is_done = self._at == len(data)
            else:
                self._at += len(piece) - len(stream.unconsumed_tail)
                # A full piece may have left bytes inside zlib that need no more input.
                is_done = self._at == len(data) and len(output) < max_bytes
            if is_done:
                self._end_input()
            if output or is_done:
                return output

    def _note_final_block(self, rest_bytes: int) -> None:
        """Begin anew behind a final block (section 7.2.3.4): with it a deflate stream, and its window, is at its end.

        Where nothing but our own tail is left, it has no block to belong to: the peer did not write the one that
        should follow, and all is said.
        """
        self._stream = None
        self._final_blocks += 1
        if self._final_blocks > _FINAL_BLOCKS_MAX:
            raise zlib.error("too many final blocks")
        if self._is_last and rest_bytes == len(_TAIL):
            self._at += rest_bytes
        self._is_inside = rest_bytes > 0

    def _inflate_behind_final_block(self, output: bytes, rest: bytes, is_last: bool, limit: int) -> bytes:
        """Go on with the ``rest`` of a frame, its tail included, and return the whole."""
        pieces = [output]
        left = limit - len(output)
        self._begin_input(rest, is_last)
        self._note_final_block(len(rest))
        if self._at == len(rest):
            self._end_input()
        try:
            while self.has_more:
                piece = self._take(min(left + 1, _PIECE_BYTES))
                left -= len(piece)
                if left < 0:
                    self._give_up()
                    raise MessageTooBig()
                pieces.append(piece)
        except zlib.error as error:
            self._give_up()
            raise BadCompressedData() from error
        return b"".join(pieces)


class Deflater:
    """Deflates the messages of one direction; takes no memory to speak of until the first one.

    Args:
        window_bits: 9 to 15.
        resets: whether every message begins with an empty window.
        level: of zlib.
        mem_level: of zlib.
    """

    __slots__ = ("_bits", "_level", "_mem_level", "_resets", "_stream")

    def __init__(self, window_bits: int, resets: bool, level: int, mem_level: int) -> None:
        self._bits = window_bits
        self._resets = resets
        self._level = level
        self._mem_level = mem_level
        self._stream: zlib._Compress | None = None

    def forget(self) -> None:
        """Begin the next message with an empty window: what was deflated last will not leave."""
        self._stream = None

    def deflate(self, data: bytes | bytearray | memoryview, is_last: bool = True) -> bytes:
        """Return what stands for ``data``: the payload of a message or of a fragment.

        All of it is in there, so that the peer can inflate a fragment when it comes.

        Args:
            data: of the message.
            is_last: whether the message ends with it.
        """
        stream = self._stream
        if stream is None:
            stream = self._stream = zlib.compressobj(self._level, zlib.DEFLATED, -self._bits, self._mem_level)
        output = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)
        if is_last:
            if self._resets:
                self._stream = None
            # Where there was nothing to flush, zlib may write nothing (section 7.2.3.6).
            return output[:-4] or _EMPTY
        return output
