"""Lua files as content handlers of ``lasa serve``, for tests of what they answer."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.processes import ROOT
from tests.servers import running

__all__ = ["lua_server"]


@contextmanager
def lua_server(code: str | Path, port: int, *options: str) -> Iterator[None]:
    """Serve Lua code, or a file, on a port until the body ends."""
    with tempfile.TemporaryDirectory() as folder:
        path = code if isinstance(code, Path) else Path(folder, "handler.lua")
        if isinstance(code, str):
            path.write_text(code)
        command = [sys.executable, "-m", "lasa", "serve", str(path), "--listen", f"127.0.0.1:{port}", *options]
        with running(["env", "-C", str(ROOT), *command], port, folder=folder):
            yield
