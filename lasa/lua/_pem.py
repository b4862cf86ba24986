"""PEM texts as files: ssl.SSLContext takes certificates and keys from files only, and Lua may have them as texts."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Final
from weakref import finalize

__all__ = ["PemFiles"]

MAX_FILES: Final = 256  # a program has few certificates of its own; each stays as long as its runtime


class PemFiles:
    """Files with what they are asked to hold, in memory where the system has such files, as long as this object."""

    def __init__(self) -> None:
        self._paths: dict[bytes, str] = {}

    def path_of(self, pem: bytes) -> str:
        """Return the path of a file that holds the text: the same one for the same text.

        Raises:
            OSError: no file could be made. ValueError: too many.
        Switches: never. Source: beyond the seed.
        """
        digest = sha256(pem).digest()
        path = self._paths.get(digest)
        if path is None:
            if len(self._paths) == MAX_FILES:
                raise ValueError(f"more than {MAX_FILES} certificates")
            path = self._paths[digest] = self._write(pem)
        return path

    def _write(self, pem: bytes) -> str:
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("lasa")
            finalize(self, os.close, descriptor)
            path = f"/proc/self/fd/{descriptor}"
        else:
            import tempfile  # which takes others along, and few need it

            descriptor, path = tempfile.mkstemp()
            finalize(self, _remove, descriptor, path)
        with open(descriptor, "wb", closefd=False) as file:
            file.write(pem)
        return path


def _remove(descriptor: int, path: str) -> None:
    os.close(descriptor)
    os.unlink(path)
