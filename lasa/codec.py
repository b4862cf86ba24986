"""Digests, base64, URI escaping and uuid (seed: lasa.md5, lasa.encode_base64, lasa.escape_uri and so on).

They take what Lua code has at hand and answer like OpenResty: a str goes in as UTF-8; text comes out as str and
binary as bytes; None and False stand for the empty string, True and numbers for their Lua text. Nothing here
switches.
"""

import hashlib
import hmac
from binascii import a2b_base64, b2a_base64
from typing import TypeAlias, overload
from urllib.parse import unquote_to_bytes

from lasa._values import kind_of
from lasa.errors import Error, Word, failed

__all__ = [
    "md5",
    "md5_bin",
    "sha1",
    "sha1_bin",
    "hmac_sha1",
    "encode_base64",
    "decode_base64",
    "decode_base64mime",
    "encode_base64url",
    "decode_base64url",
    "escape_uri",
    "unescape_uri",
    "uuid",
]

Binary: TypeAlias = bytes | bytearray | memoryview
String: TypeAlias = str | Binary

_ALNUM = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_BASE64 = _ALNUM + b"+/"
_BASE64URL = _ALNUM + b"-_"
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64))
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")

_CONTROL = bytes(range(0x20))
_HIGH = bytes(range(0x7F, 0x100))
_ESCAPED_BY_TYPE = (
    _CONTROL + _HIGH + b" #%?",
    _CONTROL + _HIGH + b" #%?+",
    bytes(set(range(256)) - set(_ALNUM + b"-._~!'()*")),
    _CONTROL + _HIGH + b" #\"%'",
    _CONTROL + _HIGH + b" \"'",
    _CONTROL + b" %",
    _CONTROL + b" %",
)
_KEPT_BY_TYPE = tuple(bytes(set(range(256)) - set(escaped)) for escaped in _ESCAPED_BY_TYPE)
_REPLACED_BY_TYPE = tuple(
    tuple(b"%%%02X" % byte if byte in escaped else bytes((byte,)) for byte in range(256))
    for escaped in _ESCAPED_BY_TYPE
)


def _number_text(value: int | float) -> bytes:
    """Return Lua's tostring() of a number; an int keeps all its digits."""
    return b"%d" % value if isinstance(value, int) else b"%.14g" % value


def _string(value: String) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _lua_text(value: String | float | bool | None) -> bytes:
    """Return what Lua's tostring() makes of an argument, the empty string for None and False."""
    if isinstance(value, String):
        return _string(value)
    if value is None or value is False:
        return b""
    if value is True:
        return b"true"
    if isinstance(value, int | float):
        return _number_text(value)
    raise TypeError(f"str or bytes expected, got {kind_of(value)}")


def md5(s: String | float | bool | None) -> str:
    """Return the MD5 digest of ``s`` as 32 lower-case hex digits.

    Args:
        s: bytes-like, or str as UTF-8; None and False are empty, True and numbers their Lua text.
    Raises:
        TypeError: ``s`` is none of these. ValueError: a str with a lone surrogate.
    Source: seed, "lasa.md5".
    """
    return hashlib.md5(_lua_text(s), usedforsecurity=False).hexdigest()


def md5_bin(s: String | float | bool | None) -> bytes:
    """Return the MD5 digest of ``s`` as 16 raw bytes; arguments and errors as for md5()."""
    return hashlib.md5(_lua_text(s), usedforsecurity=False).digest()


def sha1(s: String | float | bool | None) -> str:
    """Return the SHA-1 digest of ``s`` as 40 lower-case hex digits; arguments and errors as for md5()."""
    return hashlib.sha1(_lua_text(s), usedforsecurity=False).hexdigest()


def sha1_bin(s: String | float | bool | None) -> bytes:
    """Return the SHA-1 digest of ``s`` as 20 raw bytes; arguments and errors as for md5()."""
    return hashlib.sha1(_lua_text(s), usedforsecurity=False).digest()


def hmac_sha1(secret_key: String | float, s: String | float) -> bytes:
    """Return the HMAC-SHA1 of ``s`` under ``secret_key`` as 20 raw bytes.

    Raises:
        TypeError: an argument is neither a string nor a number (None and booleans are not empty strings
            here: a forgotten key must not pass unnoticed). ValueError: a str with a lone surrogate.
    Source: seed, "lasa.hmac_sha1".
    """
    for what, value in (("secret_key", secret_key), ("s", s)):
        if isinstance(value, bool) or not isinstance(value, String | int | float):
            raise TypeError(f"{what}: str, bytes or a number expected, got {kind_of(value)}")
    return hmac.digest(_lua_text(secret_key), _lua_text(s), "sha1")


def encode_base64(s: String | float | bool | None, no_padding: bool | None = False) -> str:
    """Encode ``s`` in the standard base64 alphabet, without line breaks.

    Args:
        s: as for md5().
        no_padding: True leaves out the ``=`` at the end.
    Raises:
        TypeError: "bad no_padding: bool expected, got T", or ``s`` is no string.
    Source: seed, "lasa.encode_base64".
    """
    if no_padding is not None and not isinstance(no_padding, bool):
        raise TypeError(f"bad no_padding: bool expected, got {kind_of(no_padding)}")
    encoded = b2a_base64(_lua_text(s), newline=False)
    return (encoded.rstrip(b"=") if no_padding else encoded).decode("ascii")


def _before_padding(s: object) -> bytes | None:
    """Return the base64 characters before the first ``=``; None means: ``s`` is no string.

    A character outside ASCII becomes ``?``, which is foreign to every base64 alphabet too.
    """
    if isinstance(s, str):
        data = s.encode("ascii", "replace")
    elif isinstance(s, Binary):
        data = bytes(s)
    else:
        return None
    return data.partition(b"=")[0]


def _decode_quads(digits: bytes) -> bytes | None:
    """Decode characters of the standard alphabet; None when the last group has a single one."""
    if len(digits) % 4 == 1:
        return None
    return a2b_base64(digits + b"=" * (-len(digits) % 4))


def decode_base64(s: String) -> bytes | None:
    """Decode base64; padding is optional.

    Returns:
        the bytes; None when a character before the first ``=`` is outside ``A-Za-z0-9+/`` (blanks, line
        breaks, ``-`` and ``_`` too) or when one character is left over after the groups of four. What
        follows the first ``=`` is ignored, and so are the unused bits of the last character.
    Raises:
        TypeError: ``s`` is no string.
    Source: seed, "lasa.decode_base64".
    """
    digits = _before_padding(s)
    if digits is None:
        raise TypeError(f"str or bytes expected, got {kind_of(s)}")
    if digits.translate(None, _BASE64):
        return None
    return _decode_quads(digits)


def decode_base64mime(s: String) -> bytes | None:
    """Decode base64 that was broken into lines: like decode_base64(), but foreign characters are skipped.

    Returns:
        the bytes; None when one base64 character is left over after the groups of four.
    Raises:
        TypeError: ``s`` is no string.
    Source: OpenResty, "ngx.decode_base64mime".
    """
    digits = _before_padding(s)
    if digits is None:
        raise TypeError(f"str or bytes expected, got {kind_of(s)}")
    return _decode_quads(digits.translate(None, _NOT_BASE64))


def encode_base64url(s: String) -> tuple[str | None, Word | None]:
    """Encode a string in the base64url alphabet (``-`` and ``_``), without padding.

    Returns:
        ``(text, None)``; or ``(None, "must provide a string")``, for a number too.
    Raises:
        ValueError: a str with a lone surrogate.
    Source: OpenResty, "ngx.base64.encode_base64url".
    """
    if not isinstance(s, String):
        return failed(Error("must provide a string"))
    encoded = b2a_base64(_string(s), newline=False)
    return encoded.rstrip(b"=").translate(_TO_URL).decode("ascii"), None


def decode_base64url(s: String) -> tuple[bytes | None, Word | None]:
    """Decode base64url; padding is optional, the rules are those of decode_base64() with ``-_`` for ``+/``.

    Returns:
        ``(data, None)``; or ``(None, err)``, err being "invalid input" or "must provide a string".
    Source: OpenResty, "ngx.base64.decode_base64url".
    """
    digits = _before_padding(s)
    if digits is None:
        return failed(Error("must provide a string"))
    if digits.translate(None, _BASE64URL):
        return failed(Error("invalid input"))
    data = _decode_quads(digits.translate(_FROM_URL))
    return failed(Error("invalid input")) if data is None else (data, None)


def _escape_type(value: object) -> int:
    """Return the checked ``type`` argument of escape_uri(); a fraction is dropped, None means 2."""
    if value is None:
        return 2
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError('"type" is not a number')
    if not 0 <= value <= 6:  # written so that nan is out of range
        raise ValueError(f'"type" {_number_text(value).decode()} out of range')
    return int(value)


@overload
def escape_uri(s: Binary, type: int | None = 2) -> bytes: ...
@overload
def escape_uri(s: str | float | bool | None, type: int | None = 2) -> str: ...
def escape_uri(s: String | float | bool | None, type: int | None = 2) -> str | bytes:
    """Replace bytes that must not stand in a URI by ``%XX``, upper-case.

    Args:
        s: bytes-like, or str as UTF-8 (with surrogateescape, so what unescape_uri() returned is fine);
            None and False are empty, True and numbers their Lua text.
        type: which bytes, besides the control bytes 00-1F, and 7F-FF except for types 5 and 6:
            0 (a URI): space ``# % ?``. 1 (arguments): those and ``+``.
            2 (a component): all but letters, digits and ``- . _ ~ ! ' ( ) *``.
            3: space ``# " % '``. 4: space ``" '``. 5 and 6: space ``%``.
    Returns:
        bytes for a bytes-like ``s``, otherwise str.
    Raises:
        TypeError: '"type" is not a number', or ``s`` is no string.
        ValueError: '"type" N out of range' (0 to 6), or a str with a surrogate that stands for no byte.
    Source: seed, "lasa.escape_uri"; the types are OpenResty's.
    """
    kind = _escape_type(type)
    data = s.encode("utf-8", "surrogateescape") if isinstance(s, str) else _lua_text(s)
    if data.translate(None, _KEPT_BY_TYPE[kind]):
        data = b"".join(map(_REPLACED_BY_TYPE[kind].__getitem__, data))
    return data if isinstance(s, Binary) else data.decode("utf-8", "surrogateescape")


@overload
def unescape_uri(s: Binary) -> bytes: ...
@overload
def unescape_uri(s: str | float | bool | None) -> str: ...
def unescape_uri(s: String | float | bool | None) -> str | bytes:
    """Turn ``%XX`` into the byte and ``+`` into a space, in one pass from left to right.

    A ``%`` without two hex digits behind it stays as it is, and nothing is decoded twice.

    Args:
        s: as for escape_uri().
    Returns:
        bytes for a bytes-like ``s``, otherwise str: bytes that are no UTF-8 come as surrogateescape.
    Raises:
        TypeError: ``s`` is no string. ValueError: a str with a surrogate that stands for no byte.
    Source: seed, "lasa.unescape_uri".
    """
    data = s.encode("utf-8", "surrogateescape") if isinstance(s, str) else _lua_text(s)
    # The plus signs go first: one that was written %2B must stay a plus.
    data = unquote_to_bytes(data.replace(b"+", b" "))
    return data if isinstance(s, Binary) else data.decode("utf-8", "surrogateescape")


def uuid() -> str:
    """Return a random (version 4) UUID: 36 characters, lower-case hex in the form 8-4-4-4-12.

    Source: seed, "lasa.uuid".
    """
    from uuid import uuid4  # which looks into the platform first, for milliseconds that most programs need not spend

    return str(uuid4())
