"""What both sides agree on for permessage-deflate: settings, offers and answers (RFC 7692 section 7.1).

wsproto has an extension of this name. It is not used, nor a subclass of it: what is wrong with it is its reading of
parameters and its way of inflating, which is all of it. It takes "server_max_window_bitsX" for a parameter, lets one
offer leave marks on the next, inflates without bound, and loses the connection behind a final block. Here a header is
read by its grammar, and every answer is made from one offer and our settings; deflate.py has the rest.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self

from lasa._options import Checker, Opt, WrongKind
from lasa.http._wire.grammar import TOKEN
from lasa.websocket._wire.deflate import NO_LIMIT, Deflater, Inflater
from lasa.websocket._wire.errors import HandshakeError, HandshakeRefused

__all__ = ["Agreement", "Deflate", "agree", "answer", "offer", "split_extensions"]

_NAME: Final = "permessage-deflate"
_BITS: Final = {str(bits): bits for bits in range(8, 16)}  # as they must be written: no sign, no leading zero
_MOST_BITS: Final = 15
# zlib cannot deflate with a window of 256 bytes, and 512 would be more than the other side has room for.
_NOT_FOR_ZLIB: Final = 8
_CHARACTER: Final = TOKEN.removesuffix("+")
_EXTENSION: Final = re.compile(rf"({TOKEN})[ \t]*+")
# A value in quotes must be a token, too, once it is unescaped (RFC 6455 section 9.1).
_PARAMETER: Final = re.compile(
    rf';[ \t]*+({TOKEN})[ \t]*+(?:=[ \t]*+(?:({TOKEN})|"((?:{_CHARACTER}|\\{_CHARACTER})++)")[ \t]*+)?'
)
_COMMAS: Final = re.compile(r"[ \t,]*+")


@dataclass(frozen=True, slots=True)
class Deflate:
    """How messages are compressed: ``compression=Deflate(threshold=512)``.

    The window sizes are what to ask the other side for, and what to keep to. The defaults are small for the sake of
    many connections: a deflater takes 32 kB then, and an inflater 12 kB, where zlib's own defaults take 256 and 40.

    Raises:
        TypeError, ValueError: as ``of()``, when built.
    """

    server_max_window_bits: Annotated[int, Opt("bits", least=8, below=16, types=True)] = 12
    """8 to 15: the server deflates with at most so large a window, as a power of two. A server cannot with 8, and \
declines compression."""
    client_max_window_bits: Annotated[int, Opt("bits", least=8, below=16, types=True)] = 12
    """The same of the client. One that has agreed on 8 sends its messages as they are."""
    server_no_context_takeover: Annotated[bool, Opt(types=True)] = False
    """True: the server begins every message with an empty window, which takes less memory on both sides between \
messages, and compresses less."""
    client_no_context_takeover: Annotated[bool, Opt(types=True)] = False
    """The same of the client."""
    # Shorter than the packet headers in front of it, about 60 bytes, a message has little to save: 64 bytes of JSON
    # become some 20, a third of what travels, for 4 µs of deflating; 32 bytes become 12 for 3 µs.
    threshold: Annotated[int, Opt("bytes", least=0, below=NO_LIMIT + 1, types=True)] = 64
    """Smaller messages are sent as they are, but for those from an iterable, whose size is not known."""
    level: Annotated[int, Opt(least=0, below=10, types=True)] = 6
    """0 (nothing gained), 1 (fast) to 9 (small), as zlib's."""
    mem_level: Annotated[int, Opt(least=1, below=10, types=True)] = 5
    """1 to 9, as zlib's: the memory for deflating beside the window."""

    def __post_init__(self) -> None:
        for name, value in _SETTINGS.check({name: getattr(self, name) for name in self.__slots__}).items():
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
            raise WrongKind("compression", value)
        return cls(**_SETTINGS.check(value))


_SETTINGS: Final = Checker(Deflate)


@dataclass(frozen=True, slots=True)
class Agreement(Deflate):
    """What both sides keep to on one connection; the first four as in RFC 7692, the others our own settings."""

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
        HandshakeError: ``bad "sec-websocket-extensions" response header: …``, with "syntax", "unknown extension",
            "duplicate extension", "unknown parameter", "duplicate parameter", or the name of the parameter that is
            wrong or missing.
    """
    if not answer:
        return None
    try:
        return _agreed(settings, answer)
    except _Unfit as unfit:
        raise HandshakeError(f'bad "sec-websocket-extensions" response header: {unfit}') from None


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
        HandshakeRefused: ``bad "sec-websocket-extensions" request header``, one that cannot be read at all.
    """
    if not offers:
        return None
    try:
        extensions = split_extensions(",".join(offers))
    except ValueError:
        raise HandshakeRefused('bad "sec-websocket-extensions" request header') from None
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
