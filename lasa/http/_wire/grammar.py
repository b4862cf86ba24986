"""What the parts of a message may consist of (RFC 9110, section 5), for whoever checks or reads one."""

from __future__ import annotations

from typing import Final

__all__ = ["CONTROL", "TOKEN"]

TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # methods, header names, names of cookies
CONTROL: Final = r"[\x00-\x08\n-\x1f\x7f]"  # what no header value that we send may hold
