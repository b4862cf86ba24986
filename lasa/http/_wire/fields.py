"""Header fields that we send: checked before anything is on the wire, and kept once they are checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache, wraps
from itertools import chain
from typing import Any, Final, TypeVar

from multidict import CIMultiDict, CIMultiDictProxy

from lasa.http._wire.grammar import CONTROL, TOKEN
from lasa.http._wire.heads import RawHeaders

__all__ = ["USER_AGENT", "HeaderSource", "Prepared", "field", "header_view", "kept", "lines_of", "pairs_of", "prepare"]

HeaderSource = Mapping[str, Any] | Iterable[tuple[str, Any]] | None

ValueT = TypeVar("ValueT")

USER_AGENT: Final = "lasa/0.1"
SMALL: Final = 1024  # bytes of names and values

_NAME: Final = re.compile(TOKEN.encode())
_FORBIDDEN: Final = re.compile(CONTROL.encode())


class Prepared:
    """Checked header fields, in order.

    Attributes:
        items: what h11 wants of each.
        values: the last value of each name, by names in lower case.
        is_small: whether it may be kept in a cache: values come from peers, too.
    """

    __slots__ = ("is_small", "items", "values")

    def __init__(self, items: RawHeaders) -> None:
        self.items = items
        self.values = {name: value for _, name, value in items}
        self.is_small = sum([len(name) + len(value) for name, _, value in items]) <= SMALL


def field(name: str | bytes, value: Any) -> tuple[bytes, bytes, bytes]:
    """Return one field, checked.

    Args:
        value: str (Latin-1 where possible, else UTF-8), bytes or a number.
    Raises:
        ValueError: ``bad header name: N``, ``bad header value of N``: an empty name, or CR, LF, NUL and other control
            characters, which would become a header or a body of their own. TypeError: neither str, bytes nor a number.
    """
    if not isinstance(name, str | bytes):
        raise TypeError(f"bad header name: string expected, got {type(name).__name__}")
    raw = _encoded(name, "header name")
    if not _NAME.fullmatch(raw):
        raise ValueError(f"bad header name: {name!r}")
    text = _encoded(value, f"header value of {name!r}")
    found = _FORBIDDEN.search(text)
    if found:  # the value itself may be a secret
        raise ValueError(f"bad header value of {name!r}: control character at {found.start()}")
    return raw, raw.lower(), text.strip(b" \t")


def _encoded(value: Any, what: str) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode("latin-1")
        except UnicodeEncodeError:
            return value.encode("utf-8")
    if isinstance(value, bytes):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value).encode()
    raise TypeError(f"bad {what}: string expected, got {type(value).__name__}")


def prepare(headers: HeaderSource) -> Prepared:
    """Check header fields; a list or tuple as value stands for a repeated field.

    Most programs send the same few again and again, so what has been checked is kept for a while.

    Raises:
        ValueError, TypeError: as field().
    """
    if headers is None:
        return _NOTHING
    pairs = pairs_of(headers)
    try:
        return _prepare(*chain.from_iterable(pairs))
    except TypeError:  # what cannot be kept, such as a list; or a mistake, which is found again
        return Prepared(_items(pairs))


def kept(maxsize: int) -> Callable[[Callable[..., ValueT]], Callable[..., ValueT]]:
    """Return an lru_cache for functions of header fields: what follows from large ones is not kept.

    The first argument is Prepared, and the second may be.
    """

    def decorate(function: Callable[..., ValueT]) -> Callable[..., ValueT]:
        cached = lru_cache(maxsize=maxsize)(function)

        @wraps(function)
        def call(headers: Prepared, *others: Any) -> ValueT:
            is_small = headers.is_small and (type(others[0]) is not Prepared or others[0].is_small)
            return (cached if is_small else function)(headers, *others)

        return call

    return decorate


# Typed, since 1, 1.0 and True are equal, and not the same on the wire.
@lru_cache(maxsize=512, typed=True)
def _prepare(*flat: Any) -> Prepared:
    values = flat[1::2]
    if any(type(value) is tuple for value in values):
        raise TypeError("the types within a tuple are not told apart")
    made = Prepared(_items(zip(flat[::2], values, strict=True)))
    if not made.is_small:
        raise TypeError("too large to be kept")
    return made


def _items(pairs: Iterable[tuple[Any, Any]]) -> RawHeaders:
    items: RawHeaders = []
    for name, value in pairs:
        for one in value if isinstance(value, list | tuple) else (value,):
            items.append(field(name, one))
    return items


def pairs_of(headers: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Collection[tuple[Any, Any]]:
    """Return names and values as pairs.

    Raises:
        ValueError: "bad header: a pair of name and value expected". TypeError: no iterable.
    """
    if isinstance(headers, Mapping):
        return headers.items()
    pairs = list(headers)
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(f"bad header: a pair of name and value expected, got {type(pair).__name__}")
    return pairs


_NOTHING: Final = Prepared([])


def lines_of(items: RawHeaders) -> bytes:
    """Return the fields as they are sent, each with its line end."""
    return b"".join([b"%s: %s\r\n" % (name, value) for name, _, value in items])


def header_view(items: RawHeaders) -> CIMultiDictProxy[str]:
    """Return received fields as a multidict: names are case-insensitive, repeated ones are kept in order."""
    return CIMultiDictProxy(CIMultiDict([(raw.decode("ascii"), value.decode("latin-1")) for raw, _, value in items]))
