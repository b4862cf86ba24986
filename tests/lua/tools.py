"""What the tests of Lua share: scripts as programs of their own, and runtimes in this one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lasa.lua import Runtime, Settings

ROOT = Path(__file__).parents[2]
DEADLINE_S = 30.0

__all__ = ["DEADLINE_S", "ROOT", "lua_program", "run_lua", "value_of"]


@contextmanager
def lua_program(
    *arguments: str, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Iterator[Any]:
    """Start ``lasa run ARGUMENTS``; killed at the end of the body if it still runs."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("LASA_", "LUA_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "lasa", "run", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**variables, "PYTHONPATH": str(ROOT), **(environment or {})},
        cwd=folder or "/",
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run_lua(
    *arguments: str,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> tuple[int, str, str]:
    """Run ``lasa run ARGUMENTS`` to its end; return exit status, stdout and stderr."""
    with lua_program(*arguments, environment=environment, folder=folder) as process:
        out, err = process.communicate(stdin, timeout=DEADLINE_S)
        return process.returncode, out.decode(), err.decode()


def value_of(code: str, *arguments: Any, **options: Any) -> Any:
    """Run Lua code in a runtime of its own in this light thread; return what it returns."""
    with Runtime(settings=Settings(), **options) as runtime:  # its end closes the sockets that the code leaves open
        return runtime.load(textwrap.dedent(code), "@test.lua")(*arguments)
