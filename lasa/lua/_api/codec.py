"""Digests, checksums and uuid for Lua: lasa.codec's, and zlib's CRC-32. What Lua does faster itself is in Lua."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from zlib import crc32

from lasa import codec

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["natives"]


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return md5, md5_bin, sha1, sha1_bin, hmac_sha1, crc32 and uuid; each takes strings and returns one value."""
    return {
        "md5": _md5,
        "md5_bin": codec.md5_bin,
        "sha1": _sha1,
        "sha1_bin": codec.sha1_bin,
        "hmac_sha1": codec.hmac_sha1,
        "crc32": crc32,
        "uuid": _uuid,
    }


def _md5(data: bytes) -> bytes:
    return codec.md5(data).encode()


def _sha1(data: bytes) -> bytes:
    return codec.sha1(data).encode()


def _uuid() -> bytes:
    return codec.uuid().encode()
