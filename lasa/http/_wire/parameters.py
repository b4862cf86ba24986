"""Parameters of a field's value: ``form-data; name="photo"; filename*=UTF-8''f%C3%BCr.jpg`` (RFC 9110 section 5.6.6).

Values may say in which character set they are (RFC 8187), and come in several parts (RFC 2231 section 3).
"""

from __future__ import annotations

import codecs
import re
from encodings import normalize_encoding
from encodings.aliases import aliases
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

__all__ = ["Parameters", "known_charset", "parameters_of"]

_NAME: Final = re.compile(r"[;\s]*([^=;\s]+|(?==))\s*")
# A backslash that escapes nothing stands for itself, also before the last quote: browsers do not escape it.
_VALUE: Final = re.compile(r'=\s*(?:"((?:[^"\\]|\\.)*)"|"([^"]*)"|([^;]*))[^;]*', re.DOTALL)
_ESCAPED: Final = re.compile(r'\\(["\\])')
_EXTENDED: Final = re.compile(r"([^']*)'[^']*'(.*)", re.DOTALL)
_IN_PARTS: Final = re.compile(r"(.+)\*(0|[1-9][0-9]{0,2})(\*?)", re.DOTALL)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")

# Only names that are on Python's lists, since it remembers for ever each other name that it was asked for.
_WITHOUT_ALIAS: Final = "cp720 cp737 cp856 cp874 cp875 cp1006 koi8_t koi8_u utf_8_sig"
_CHARSETS: Final = frozenset((*aliases, *aliases.values(), *_WITHOUT_ALIAS.split()))
_CHARSET: Final = re.compile(r"[0-9A-Za-z._:+-]{1,40}")
# Python's own inventions that a peer may not choose: they take the square of the length, or warn.
_NOT_ON_THE_WEB: Final = frozenset(("idna", "punycode", "unicode-escape", "raw-unicode-escape"))


class Parameters(NamedTuple):
    """A value and its parameters, by names in lower case.

    Attributes:
        kind: what stands before the parameters, in lower case.
        plain: their values as they stand, without quotes.
        extended: those of which the value says its character set, decoded; they go before the plain ones. Where the
            character set is not known or the escapes are broken, the plain one is better and this one is not here;
            if there is no plain one, it is what could be read.
        has_repeated: whether a name is there twice, so that two readers may see two values; here it is the first.
    """

    kind: str
    plain: dict[str, str]
    extended: dict[str, str]
    has_repeated: bool


def parameters_of(value: str) -> Parameters:
    """Return what a field's value says; whatever is malformed in it is passed over."""
    kind, _, rest = value.partition(";")
    plain: dict[str, str] = {}
    has_repeated = False
    position = 0
    while found := _NAME.match(rest, position):
        name = found[1].lower()
        position = found.end()
        text = ""
        if given := _VALUE.match(rest, position):
            position = given.end()
            quoted, ended, bare = given.groups()
            text = _ESCAPED.sub(r"\1", quoted) if quoted is not None else ended if bare is None else bare.strip()
        has_repeated = has_repeated or name in plain
        plain.setdefault(name, text)
    extended: dict[str, str] = {}
    if any("*" in name for name in plain):
        _join_parts(plain)
        for name in [name for name in plain if name.endswith("*")]:
            text = plain.pop(name)
            name = name[:-1]
            read = _decoded(text, is_strict=name in plain)
            if read is not None:
                extended[name] = read
    return Parameters(kind.strip().lower(), plain, extended, has_repeated)


def _join_parts(plain: dict[str, str]) -> None:
    # name*0, name*1*, … become name or, if the first part has a character set, name*; what is whole goes before.
    parts: dict[str, dict[int, tuple[str, bool]]] = {}
    for name in [name for name in plain if "*" in name]:
        if found := _IN_PARTS.fullmatch(name):
            parts.setdefault(found[1], {})[int(found[2])] = (plain.pop(name), bool(found[3]))
    for name, found_parts in parts.items():
        if 0 not in found_parts:
            continue
        is_extended = found_parts[0][1]
        joined = ""
        number = 0
        while number in found_parts:
            text, is_escaped = found_parts[number]
            joined += text if is_escaped or not is_extended else text.replace("%", "%25")
            number += 1
        plain.setdefault(name + "*" if is_extended else name, joined)


def _decoded(text: str, *, is_strict: bool) -> str | None:
    # None where it is broken and there is something better.
    found = _EXTENDED.fullmatch(text)
    charset, escaped = found.groups() if found else ("", text)
    known = known_charset(charset)
    data = unquote_to_bytes(escaped)
    if known is not None and not _BAD_ESCAPE.search(escaped):
        try:
            return data.decode(known)
        except ValueError:
            pass
    return None if is_strict else data.decode(known or "utf-8", "replace")


def known_charset(name: str) -> str | None:
    """Return Python's name of a character set that a peer names; None if it is none that the web knows."""
    listed = normalize_encoding(name.lower()) if _CHARSET.fullmatch(name) else ""
    if listed not in _CHARSETS:
        return None
    try:
        found = codecs.lookup(listed).name
        b"\xff\xff".decode(found, "replace")  # base64 and such are codecs, but give no text
    except (LookupError, ValueError):
        return None
    return None if found in _NOT_ON_THE_WEB else found
