"""Lua scripts as files: what Lua is to compile of one."""

from __future__ import annotations

__all__ = ["read_script"]


def read_script(file: str) -> bytes:
    """Return a script's source; a first line for the shell, "#!/usr/bin/env lasa", is a comment in it.

    Raises:
        OSError: it cannot be read.
    """
    with open(file, "rb") as script:
        source = script.read()
    return b"--" + source if source.startswith(b"#") else source  # so that the lines keep their numbers
