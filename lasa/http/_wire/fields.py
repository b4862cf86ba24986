"""Header fields that we send: checked before anything is on the wire, and kept once they are checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from multidict import CIMultiDict, CIMultiDictProxy

from lasa.http._wire.heads import RawHeaders

__all__ = ["HeaderSource", "Prepared", "field", "header_view", "prepare"]

HeaderSource = Mapping[str, Any] | Iterable[tuple[str, Any]] | None

_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN: Final = re.compile(rb"[\x00-\x08\n-\x1f\x7f]")


class Prepared:
    """Checked header fields, in order.

    Attributes:
        items: what h11 wants of each.
        values: the last value of each name, both in lower case names as bytes.
    """

    __slots__ = ("items", "values")

    def __init__(self, items: RawHeaders) -> None:
        self.items = items
        self.values = {name: value for _, name, value in items}


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
    if _FORBIDDEN.search(text):
        raise ValueError(f"bad header value of {name!r}: {value!r}")
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
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    try:
        return _prepare(tuple(pairs))
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
    flat: list[tuple[Any, Any]] = []
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        flat.extend((name, one) for one in value) if isinstance(value, list | tuple) else flat.append((name, value))
    return Prepared([field(name, value) for name, value in flat])


@lru_cache(maxsize=512)
def _prepare(pairs: tuple[Any, ...]) -> Prepared:
    items: RawHeaders = []
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise ValueError(f"bad header: a pair of name and value expected, got {pair!r}")
        name, value = pair
        for one in value if isinstance(value, tuple) else (value,):
            items.append(field(name, one))
    return Prepared(items)


_NOTHING: Final = Prepared([])


def header_view(items: RawHeaders) -> CIMultiDictProxy[str]:
    """Return received fields as a multidict: names are case-insensitive, repeated ones are kept in order."""
    return CIMultiDictProxy(CIMultiDict([(raw.decode("ascii"), value.decode("latin-1")) for raw, _, value in items]))
