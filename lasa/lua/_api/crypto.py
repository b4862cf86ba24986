"""Digests, random bytes and AES for Lua: hashlib, os.urandom, and the libcrypto that Python uses.

A digest that is being computed is a hashlib object which Lua keeps and hands back; Lua cannot look into it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lasa.lua import _libcrypto

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["natives"]


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return new_digest, update, digest, random, has_aes, derive_key, encrypt and decrypt; Lua checks arguments."""

    def new_digest(name: bytes) -> Any:
        # MD5 is asked for by old protocols, which a system in FIPS mode need not keep from working.
        return hashlib.new(name.decode(), usedforsecurity=False)

    def update(digest: Any, data: bytes) -> None:
        digest.update(data)

    def finished(digest: Any) -> bytes:
        found: bytes = digest.digest()
        return found

    def derive_key(
        hash_name: bytes, salt: bytes, secret: bytes, rounds: int, key_size: int, mode: bytes
    ) -> tuple[bytes, bytes]:
        return _libcrypto.derive_key(hash_name.decode(), salt, secret, rounds, key_size, mode.decode())

    def encrypt(
        mode: bytes, key: bytes, iv: bytes, is_padded: bool, data: bytes, aad: bytes | None = None
    ) -> tuple[bytes | None, bytes | None, bytes | None]:
        return _libcrypto.encrypt(mode.decode(), key, iv, is_padded, data, aad)

    def decrypt(
        mode: bytes,
        key: bytes,
        iv: bytes,
        is_padded: bool,
        data: bytes,
        tag: bytes | None = None,
        aad: bytes | None = None,
    ) -> tuple[bytes | None, bytes | None]:
        return _libcrypto.decrypt(mode.decode(), key, iv, is_padded, data, tag, aad)

    return {
        "new_digest": new_digest,
        "update": update,
        "digest": finished,
        "random": os.urandom,
        "has_aes": _libcrypto.is_there,
        "derive_key": derive_key,
        "encrypt": encrypt,
        "decrypt": decrypt,
    }
