"""What a Python value means where Lua would convert it: numbers, strings and what send() may be given.

The cosocket calls were specified for Lua, where "8" is a size, 3.0 prints as 3 and a boolean is never a
number. Every such rule is written here once; nothing in this module keeps state or does I/O. What a wrong
argument is told is Python's: Lua's own calls check theirs in Lua, in OpenResty's words.
"""

import re

__all__ = [
    "as_bytes",
    "at_least",
    "flatten",
    "integer",
    "kind_of",
    "number",
    "seconds_of",
    "text_of",
    "timeout_ms",
    "type_name",
    "wait_s",
    "whole_ms",
]

# Python's own int() and float() also take 1_0, nan, infinity and digits of other scripts, so the shape is
# checked first. No part can match the same digits in two ways: a long wrong string costs O(n).
_BLANKS = "[ \t\n\v\f\r]*"
_NUMBER = re.compile(
    _BLANKS
    + "(?:(?P<hex>[+-]?0[xX][0-9a-fA-F]+)"
    + "|(?P<whole>[+-]?[0-9]+)"
    + r"|(?P<real>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    + ")"
    + _BLANKS
)
# int(text) refuses longer texts when the interpreter's digit limit is at its lowest possible setting; such a
# number is beyond any float anyway (or has leading zeros), and float() takes it.
_WHOLE_DIGITS_MAX = 640

_INT32_MIN = -(2**31)
_INT32_MAX = 2**31 - 1

# Tuples, made once: isinstance() with an "X | Y" builds the union at every call, and send() is a hot path.
_BYTES_LIKE = (bytes, bytearray, memoryview)
_NUMBER_TYPES = (int, float)
_TABLE_TYPES = (list, tuple)

_BAD_DATA = "bad data: bytes, str, a number or a list of these expected, got"


def number(value: object) -> int | float | None:
    """Read ``value`` as a number the way Lua's number test does.

    Args:
        value: an int or float is returned as it is. A str or bytes-like value counts when it is optional
            blanks, an optionally signed decimal, exponent or ``0x`` hex number, optional blanks.
    Returns:
        the number, possibly ``inf``; None for everything else: booleans, nan, None, other text, other types.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return None if value != value else value
    if isinstance(value, _BYTES_LIKE):
        value = bytes(value).decode("latin-1")
    elif not isinstance(value, str):
        return None
    match = _NUMBER.fullmatch(value)
    if match is None:
        return None
    text = match[match.lastgroup or 0]
    if match.lastgroup == "hex":
        return int(text, 16)
    if match.lastgroup == "whole" and len(text) <= _WHOLE_DIGITS_MAX:
        return int(text)
    return float(text)


def integer(value: object) -> int | None:
    """Read ``value`` like number() and drop the fraction, toward zero.

    Returns:
        the int; None when ``value`` is no number or is infinite.
    """
    if type(value) is int:
        return value
    found = number(value)
    if found is None or found in (float("inf"), float("-inf")):
        return None
    return int(found)


def at_least(least: int, value: object, call: str) -> int:
    """Return an argument that counts something, as integer() reads it.

    Args:
        least: 0 or 1.
        call: for the text, such as "Semaphore.post()".
    Raises:
        ValueError: it is less: "CALL: positive number required, got N", "CALL: no negative number, got N".
        TypeError: "CALL takes a number, got T".
    """
    count = integer(value)
    if count is None:
        raise TypeError(f"{call} takes a number, got {kind_of(value)}")
    if count < least:
        what = "positive number required" if least else "no negative number"
        raise ValueError(f"{call}: {what}, got {value}")
    return count


def seconds_of(value: object, call: str) -> float:
    """Return an argument that is a time.

    Args:
        call: for the text, such as "lasa.timer.at()".
    Raises:
        TypeError: "CALL takes a number of seconds, got T".
    """
    seconds = number(value)
    if seconds is None:
        raise TypeError(f"{call} takes a number of seconds, got {kind_of(value)}")
    return seconds


def wait_s(value: object, call: str) -> float:
    """Return how long a call is to wait, cut to whole milliseconds.

    Raises:
        ValueError: "CALL: no negative number of seconds, got N". TypeError: as seconds_of().
    """
    seconds = seconds_of(value, call)
    if seconds < 0:
        raise ValueError(f"{call}: no negative number of seconds, got {value}")
    return whole_ms(seconds)


def kind_of(value: object) -> str:
    """Return what exceptions call ``value``: its class by name, "None" for None, "nan" for what is no number."""
    if value is None:
        return "None"
    return "nan" if isinstance(value, float) and value != value else type(value).__name__


def type_name(value: object) -> str:
    """Return Lua's word for the type of ``value``, as words that are returned, and the checks of options, use it.

    Returns:
        "nil", "boolean", "number", "string" (str and bytes-like), "table" (dict, list, tuple), "function"
        (anything callable) or "userdata" (all the rest).
    """
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, _NUMBER_TYPES):
        return "number"
    if isinstance(value, (str, *_BYTES_LIKE)):
        return "string"
    if isinstance(value, (dict, *_TABLE_TYPES)):
        return "table"
    return "function" if callable(value) else "userdata"


def text_of(value: int | float) -> bytes:
    """Return the digits that send() puts on the wire for a number.

    Args:
        value: an int gives all its digits (not Lua's ``%.14g``: a Python int is exact). A float gives
            ``%.14g``, and no sign, point or exponent when it is whole and fits 32 bits (-0.0 gives ``0``).
    Raises:
        ValueError: an int with more digits than the interpreter converts (sys.set_int_max_str_digits).
    """
    if isinstance(value, int):
        return b"%d" % value
    if _INT32_MIN <= value <= _INT32_MAX and value.is_integer():
        return b"%d" % int(value)
    return b"%.14g" % value


def _string_or_number(value: object) -> bytes | None:
    """Return the bytes of a str, bytes-like value or number; None means: it is something else."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, _BYTES_LIKE):
        return bytes(value)  # costs nothing when they are bytes
    if isinstance(value, _NUMBER_TYPES) and not isinstance(value, bool):
        return text_of(value)
    return None


def flatten(data: object) -> bytes:
    """Return the bytes that send(data) puts on the wire.

    Everything is looked at before anything is returned, so a caller that raises has sent nothing. What the
    caller could still change (bytearray, memoryview) is copied.

    Args:
        data: bytes-like (a memoryview of any format gives its raw bytes), str (as UTF-8), int, float, or a
            list or tuple of those, nested to any depth.
    Raises:
        TypeError: "bad data: …": anything else, also None, True and False, which Lua spells out: in Python they are
            what a call has returned that was not looked at.
        ValueError: a list contains itself, or a str holds a lone surrogate (UnicodeEncodeError).
    Source: OpenResty, "tcpsock:send".
    """
    if type(data) is bytes:
        return data
    if isinstance(data, _TABLE_TYPES):
        # One pass in C over the types: chunks collected in a list are the common case.
        if set(map(type, data)) == {bytes}:
            return b"".join(data)
        return _flatten_table(data)
    piece = _string_or_number(data)
    if piece is not None:
        return piece
    raise TypeError(f"{_BAD_DATA} {kind_of(data)}")


def _flatten_table(table: list[object] | tuple[object, ...]) -> bytes:
    """Join a list or tuple depth first; the stack is a list, so depth is bounded by memory alone."""
    pieces: list[bytes] = []
    open_tables = [(table, iter(table))]
    open_ids = {id(table)}  # only the way down from the root: the same list may well occur twice side by side
    while open_tables:
        table, items = open_tables[-1]
        for item in items:
            if type(item) is bytes:
                pieces.append(item)
                continue
            if type(item) is str:
                pieces.append(item.encode())
                continue
            if isinstance(item, _TABLE_TYPES):
                if id(item) in open_ids:
                    raise ValueError("bad data: a list that contains itself")
                open_ids.add(id(item))
                open_tables.append((item, iter(item)))
                break
            piece = _string_or_number(item)
            if piece is None:
                raise TypeError(f"{_BAD_DATA} {kind_of(item)} in a list")
            pieces.append(piece)
        else:
            open_tables.pop()
            open_ids.remove(id(table))
    return b"".join(pieces)


def as_bytes(value: object, what: str) -> bytes:
    """Return a string argument as bytes.

    Args:
        value: bytes-like as it is, str as UTF-8, a number (no boolean) as text_of() writes it.
        what: the argument's name, for the error text.
    Raises:
        TypeError: "{what}: str or bytes expected, got T".
        ValueError: a str holds a lone surrogate (UnicodeEncodeError).
    """
    if type(value) is bytes:
        return value
    text = _string_or_number(value)
    if text is None:
        raise TypeError(f"{what}: str or bytes expected, got {kind_of(value)}")
    return text


def whole_ms(seconds: float) -> float:
    """Return ``seconds`` cut to whole milliseconds, and to what a timer can hold (30 years) either way."""
    return int(max(-1e9, min(seconds, 1e9)) * 1000) / 1000


def timeout_ms(value: object, default: float) -> float:
    """Return the timeout that a settimeout()-like argument asks for.

    Args:
        value: whole milliseconds, a fraction is dropped. None, zero (0.5 too), a negative number or no
            number at all means the default.
        default: milliseconds.
    Returns:
        milliseconds.
    Raises:
        ValueError: "bad timeout value": 2**31 or more.
    Source: seed, "tcpsock:settimeout".
    """
    asked = number(value)
    if asked is None or asked < 1:
        return default
    if asked >= 2**31:
        raise ValueError("bad timeout value")
    return float(int(asked))
