"""JSON as both sides send and take it (RFC 8259).

What is taken can also be sent: a value that came from a client and was kept must not fail in each answer that follows.
So whatever Python's parser takes beyond JSON is refused, and whatever JSON has a form for is sent in that form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

__all__ = ["json_bytes", "json_value"]


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value - value:  # NaN for an infinity, which JSON could not say again
        raise ValueError("number out of range")
    return value


_decode: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode
_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_encode_compact: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def json_value(data: bytes) -> Any:
    """Return what a JSON text says; of a name that is there twice the last value counts.

    Args:
        data: in UTF-8, with a byte order mark or without; UTF-16 and UTF-32 are told by their zeros.
    Raises:
        ValueError: it is none; also NaN and Infinity, numbers beyond a float or beyond Python's limit on digits, bytes
            that are no UTF-8, and nesting beyond Python's recursion limit.
    """
    try:
        # Not json.loads(), which takes encoded surrogates for characters.
        return _decode(data.decode(json.detect_encoding(data)))
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None


def json_bytes(value: Any, *, is_compact: bool = False) -> bytes:
    r"""Return a value as JSON in UTF-8; a lone surrogate is written as its escape, such as ``\udc80``.

    Args:
        is_compact: without blanks.
    Raises:
        TypeError: something in it has no form in JSON, such as bytes or a set, or is a key that has none.
        ValueError: NaN, an infinity, a number of too many digits, or a value that contains itself.
    """
    encode = _encode_compact if is_compact else _encode
    try:
        text = encode(value)
    except RecursionError:
        text = "".join(_pieces(value, encode, "," if is_compact else ", "))
    return text.encode("utf-8", "backslashreplace")  # only strings can hold a surrogate


class _Text(str):
    """What is JSON already."""

    __slots__ = ()


class _Left(int):
    """The identity of a container that ends here."""

    __slots__ = ()


def _pieces(value: Any, encode: Callable[[Any], str], comma: str) -> Iterator[str]:
    # Without recursion: a value that came at the parser's last level must not fail when it is sent one level deeper.
    within: set[int] = set()
    left: list[Any] = [value]
    while left:
        item = left.pop()
        if type(item) is _Text:
            yield item
        elif type(item) is _Left:
            within.discard(item)
        elif not isinstance(item, dict | list | tuple):
            yield encode(item)
        else:
            if id(item) in within:
                raise ValueError("Circular reference detected")
            within.add(id(item))
            parts: list[Any] = []
            if isinstance(item, dict):
                for key, member in item.items():
                    name = encode({key: None})[1 : -len("null}")]  # as the encoder writes keys, with the colon
                    parts += (_Text(comma + name if parts else "{" + name), member)
                parts += (_Left(id(item)), _Text("}" if item else "{}"))
            else:
                for member in item:
                    parts += (_Text(comma if parts else "["), member)
                parts += (_Left(id(item)), _Text("]" if item else "[]"))
            left.extend(reversed(parts))
