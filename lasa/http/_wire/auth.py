"""The Authorization header of those who have a password or a token (RFC 7617, RFC 6750)."""

from __future__ import annotations

import re
from binascii import b2a_base64
from typing import Final

__all__ = ["Auth", "authorization_of"]

Auth = tuple[str, str] | str | None

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def authorization_of(auth: Auth) -> str | None:
    """Return the header's value, or None for None.

    Args:
        auth: ``(user, password)`` for Basic, in UTF-8 (surrogateescape gives other bytes); or a token for Bearer.
    Raises:
        ValueError: a colon in the user, control characters, or a token with characters that no token has. Neither
            password nor token stands in the text. TypeError: anything else.
    """
    if auth is None:
        return None
    if isinstance(auth, str):
        if not _TOKEN.fullmatch(auth):
            raise ValueError('bad auth: a token has letters, digits and "-._~+/" only, and "=" at its end')
        return f"Bearer {auth}"
    if not isinstance(auth, tuple) or len(auth) != 2 or not all(isinstance(part, str) for part in auth):
        raise TypeError(f"bad auth: (user, password) or token expected, got {type(auth).__name__}")
    user, password = auth
    if ":" in user:
        raise ValueError("bad auth: colon in the user")  # the peer would take the rest for the password
    if _CONTROL.search(user) or _CONTROL.search(password):
        raise ValueError("bad auth: control character")
    try:
        pair = f"{user}:{password}".encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError("bad auth: lone surrogate") from None  # its own text would hold the password
    return f"Basic {b2a_base64(pair, newline=False).decode('ascii')}"
