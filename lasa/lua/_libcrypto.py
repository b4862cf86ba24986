"""AES by the libcrypto that Python's own ssl uses (OpenResty: resty.aes); the standard library has no AES.

Python's extension _hashlib is linked to libcrypto, and what the dynamic loader finds through _hashlib is therefore the
one OpenSSL that this process has: nothing to search for, no second one beside it. Where Python has OpenSSL built in,
the system's is asked. Called by ctypes, not by LuaJIT's ffi: a cdef holds for a whole Lua state, and ours would keep
a script's libraries from declaring the same names in their way.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from functools import cache
from typing import Any, Final

__all__ = ["MODES", "decrypt", "derive_key", "encrypt", "is_there", "make_libcrypto_global"]

MODES: Final = ("ecb", "cbc", "cfb1", "cfb8", "cfb128", "ofb", "ctr", "gcm")

_IV_SIZES: Final = {"ecb": 0, "gcm": 12}  # 16 for the others
_MAX_BLOCK: Final = 32
_TAG_SIZE: Final = 16
_SET_IV_SIZE: Final = 0x09
_GET_TAG: Final = 0x10
_SET_TAG: Final = 0x11
_SONAMES: Final = ("libcrypto.so.3", "libcrypto.so.1.1")

_PROTOTYPES: Final[dict[str, tuple[Any, list[Any]]]] = {
    "EVP_CIPHER_CTX_new": (ctypes.c_void_p, []),
    "EVP_CIPHER_CTX_free": (None, [ctypes.c_void_p]),
    "EVP_CIPHER_CTX_set_padding": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int]),
    "EVP_CIPHER_CTX_ctrl": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p]),
    "ERR_clear_error": (None, []),
    **{
        f"EVP_{way}Init_ex": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_char_p] * 2])
        for way in ("Encrypt", "Decrypt")
    },
    **{
        f"EVP_{way}Update": (
            ctypes.c_int,
            [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int],
        )
        for way in ("Encrypt", "Decrypt")
    },
    **{
        f"EVP_{way}Final_ex": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p])
        for way in ("Encrypt", "Decrypt")
    },
    **{f"EVP_aes_{size}_{mode}": (ctypes.c_void_p, []) for size in (128, 192, 256) for mode in MODES},
}


class _Failed(Exception):
    """A call of libcrypto failed; its argument is the word that resty.aes has for it."""


def _file() -> str | None:
    """Return the file through which the loader finds libcrypto: None for the program itself."""
    try:
        import _hashlib
    except ImportError:
        return None
    found = getattr(_hashlib, "__file__", None)
    return found if isinstance(found, str) else None


@cache
def _libcrypto() -> tuple[ctypes.CDLL, str | None] | None:
    """Return libcrypto and the name by which it was opened, None if there is none."""
    for name in (_file(), *_SONAMES):
        try:
            library = ctypes.CDLL(name)
            for symbol, (result, arguments) in _PROTOTYPES.items():
                function = getattr(library, symbol)
                function.restype, function.argtypes = result, arguments
        except (OSError, AttributeError):
            continue  # not here, or without what we need
        return library, name
    return None


def is_there() -> bool:
    """Tell whether libcrypto was found."""
    return _libcrypto() is not None


def make_libcrypto_global() -> bool:
    """Put libcrypto's functions where LuaJIT's ``ffi.C`` finds them; nginx, being linked to it, has them there.

    Libraries such as lua-resty-openssl and the original lua-resty-string take them from ``ffi.C``. To be called no
    earlier than a script asks for ``ffi``: an extension module that Python loads later and that brings an OpenSSL of
    the same major version may then find these functions before its own.

    Returns:
        whether libcrypto was found.
    Switches: never. Source: OpenResty, whose libraries need it.
    """
    found = _libcrypto()
    if found is None:
        return False
    ctypes.CDLL(found[1], mode=os.RTLD_NOW | os.RTLD_GLOBAL)
    return True


def derive_key(
    hash_name: str, salt: bytes, secret: bytes, rounds: int, key_size: int, mode: str
) -> tuple[bytes, bytes]:
    """Make key and IV out of a password, as libcrypto's EVP_BytesToKey does; sizes are in bytes.

    Returns:
        ``(key, iv)``; the IV is as long as the mode needs it.
    Switches: never. Source: OpenSSL, EVP_BytesToKey(3).
    """
    iv_size = _IV_SIZES.get(mode, 16)
    derived = block = b""
    while len(derived) < key_size + iv_size:
        block += secret + salt
        for _ in range(max(1, rounds)):
            block = hashlib.new(hash_name, block, usedforsecurity=False).digest()
        derived += block
    return derived[:key_size], derived[key_size : key_size + iv_size]


class _Context:
    """A cipher context of libcrypto, set up with key and IV for one message."""

    def __init__(self, way: str, mode: str, key: bytes, iv: bytes, is_padded: bool) -> None:
        found = _libcrypto()
        if found is None:
            raise _Failed("libcrypto was not found")
        self._library = library = found[0]
        self._way = way
        self._handle = library.EVP_CIPHER_CTX_new()
        if not self._handle:
            raise _Failed("no memory")
        try:
            method = getattr(library, f"EVP_aes_{len(key) * 8}_{mode}")()
            self.call("Init_ex", method, None, None, None)
            if mode == "gcm":
                self.control(_SET_IV_SIZE, len(iv), None, "failed to set IV length")
            library.EVP_CIPHER_CTX_set_padding(self._handle, is_padded)
            self.call("Init_ex", None, None, key, iv)
        except _Failed:
            self.close()
            raise

    def __enter__(self) -> _Context:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._library.EVP_CIPHER_CTX_free(self._handle)
        # OpenSSL's errors wait in a queue of the OS thread, where the next failure of ssl would find ours.
        self._library.ERR_clear_error()

    def call(self, step: str, *arguments: object) -> None:
        name = f"EVP_{self._way}{step}"
        if not getattr(self._library, name)(self._handle, *arguments):
            raise _Failed(f"{name} failed")

    def control(self, what: int, size: int, data: object, word: str) -> None:
        if self._library.EVP_CIPHER_CTX_ctrl(self._handle, what, size, data) <= 0:
            raise _Failed(word)

    def authenticate(self, aad: bytes | None) -> None:
        """Add data that the tag covers and that is not part of the message."""
        if aad is not None:
            self.call("Update", None, ctypes.byref(ctypes.c_int()), aad, len(aad))

    def run(self, data: bytes, tag: bytes | None = None) -> bytes:
        """Return what the whole message becomes."""
        out = ctypes.create_string_buffer(len(data) + 2 * _MAX_BLOCK)
        size, rest = ctypes.c_int(), ctypes.c_int()
        self.call("Update", out, ctypes.byref(size), data, len(data))
        if tag is not None:
            self.control(_SET_TAG, len(tag), tag, f"EVP_{self._way}Final_ex failed")
        self.call("Final_ex", ctypes.byref(out, size.value), ctypes.byref(rest))
        return out.raw[: size.value + rest.value]

    def tag(self) -> bytes:
        out = ctypes.create_string_buffer(_TAG_SIZE)
        self.control(_GET_TAG, _TAG_SIZE, out, "EVP_EncryptFinal_ex failed")
        return out.raw


def encrypt(
    mode: str, key: bytes, iv: bytes, is_padded: bool, data: bytes, aad: bytes | None
) -> tuple[bytes | None, bytes | None, bytes | None]:
    """Encrypt one message.

    Args:
        mode: one of MODES. key: 16, 24 or 32 bytes. iv: 16 bytes or more, with "gcm" any.
        is_padded: fill the last block; without it, a message of "ecb" and "cbc" must be of whole blocks.
        aad: with "gcm", what the tag is to cover besides.
    Returns:
        ``(data, tag, None)``, the tag only with "gcm"; or ``(None, None, word)``.
    Switches: never. Source: OpenResty, resty.aes.
    """
    try:
        with _Context("Encrypt", mode, key, iv, is_padded) as context:
            if mode != "gcm":
                return context.run(data), None, None
            context.authenticate(aad)
            return context.run(data), context.tag(), None
    except _Failed as error:
        return None, None, str(error).encode()


def decrypt(
    mode: str, key: bytes, iv: bytes, is_padded: bool, data: bytes, tag: bytes | None, aad: bytes | None
) -> tuple[bytes | None, bytes | None]:
    """Decrypt one message; the arguments are encrypt()'s.

    Args:
        tag: with "gcm", what encrypt() gave; without all of it, or when it does not fit, nothing is decrypted.
    Returns:
        ``(data, None)``, or ``(None, word)``.
    Switches: never. Source: OpenResty, resty.aes.
    """
    try:
        with _Context("Decrypt", mode, key, iv, is_padded) as context:
            if mode != "gcm":
                return context.run(data), None
            if tag is None or len(tag) < _TAG_SIZE:  # libcrypto would be content with a byte of it
                raise _Failed("EVP_DecryptFinal_ex failed")
            context.authenticate(aad)
            return context.run(data, tag[:_TAG_SIZE]), None
    except _Failed as error:
        return None, str(error).encode()
