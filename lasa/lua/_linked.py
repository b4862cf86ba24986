"""What nginx is linked to, for LuaJIT's ``ffi.C``: libraries take functions of OpenSSL, zlib and libcrypt from it."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from importlib import import_module
from typing import Final

from lasa.lua._libcrypto import make_libcrypto_global

__all__ = ["make_next_library_global"]

# Python's extension that is linked to it, through which its own copy is found; a function; the names elsewhere.
_LIBRARIES: Final = (
    ("_ssl", "TLS_method", ("libssl.so.3", "libssl.so.1.1")),
    ("zlib", "zlibVersion", ("libz.so.1",)),
    ("_crypt", "crypt", ("libcrypt.so.1", "libcrypt.so.2")),
    (None, "pcre2_compile_8", ("libpcre2-8.so.0",)),
)


@cache
def _make_global(number: int) -> None:
    if number == 0:
        make_libcrypto_global()
        return
    extension, function, names = _LIBRARIES[number - 1]
    for name in (_file_of(extension), *names):
        if name is None:
            continue
        try:
            getattr(ctypes.CDLL(name, mode=os.RTLD_NOW | os.RTLD_GLOBAL), function)
        except (OSError, AttributeError):
            continue  # not here, or built into Python
        return


def _file_of(extension: str | None) -> str | None:
    if extension is None:
        return None
    try:
        found = getattr(import_module(extension), "__file__", None)
    except ImportError:
        return None
    return found if isinstance(found, str) else None


def make_next_library_global(number: int) -> bool:
    """Put the functions of one more of nginx's libraries among the process's global symbols.

    To be called with 0, 1, … while a symbol that a script asks for is not found, and no earlier: an extension module
    that Python loads later and that brings the same library may then find these functions before its own.

    Returns:
        whether there was one of that number.
    Switches: never. Source: nginx, which is linked to OpenSSL, zlib, libcrypt and PCRE2.
    """
    if number > len(_LIBRARIES):
        return False
    _make_global(number)
    return True
