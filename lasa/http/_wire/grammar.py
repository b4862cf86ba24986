"""What the parts of a message may consist of (RFC 9110, section 5), for whoever checks or reads one."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["CONTROL", "TOKEN", "tidied"]

TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # methods, header names, names of cookies
CONTROL: Final = r"[\x00-\x08\n-\x1f\x7f]"  # what no header value that we send may hold

_LINE_END: Final = re.compile(rb"\r?\n")
_FOLD: Final = re.compile(rb"(?<![ \t])[ \t]*\r\n[ \t]+")


def tidied(lines: bytes) -> bytes:
    """Return header lines with CRLF at each end, and folded ones as one (RFC 9112, sections 2.2 and 5.2)."""
    return _FOLD.sub(b" ", _LINE_END.sub(b"\r\n", lines))
