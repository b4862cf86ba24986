"""The lasa command: ``lasa run FILE.py [arguments]``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from lasa._program import run_program

__all__ = ["main", "run_file"]

USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status; the arguments are sys.argv's by default."""
    parser = argparse.ArgumentParser(prog="lasa", description="Straight-line network code in light threads.")
    parser.add_argument("--version", action="version", version=f"lasa {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="run a script as the main light thread",
        description="Run a Python script as the main light thread, wait for its light threads and timers, and hand on "
        "its exit status. SIGINT and SIGTERM end it at once: light threads are killed, timers fire premature.",
    )
    run.add_argument("file", metavar="FILE.py", help="the script")
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="its sys.argv[1:]")
    options = parser.parse_args(arguments)
    return run_file(options.file, options.arguments)


def run_file(path: str, arguments: Sequence[str]) -> int:
    """Run a script as ``python FILE arguments`` would, in the main light thread; return the exit status.

    Raises:
        SystemExit: the script called sys.exit().
    """
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        print(f"lasa: cannot read {path}: {error.strerror}", file=sys.stderr)
        return USAGE_ERROR
    module = ModuleType("__main__")
    module.__file__ = path
    module.__builtins__ = __builtins__  # type: ignore[attr-defined]
    sys.modules["__main__"] = module
    sys.argv = [path, *arguments]
    sys.path[:0] = [os.path.dirname(os.path.realpath(path))]
    if not logging.getLogger().handlers:  # what light threads die of goes to stderr, with its traceback
        logging.basicConfig(format="%(asctime)s %(name)s %(levelname)s: %(message)s")

    def script() -> None:
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)

    return run_program(script)


def _version() -> str:
    try:
        return version("lasa-cosocket")
    except PackageNotFoundError:
        return "(not installed)"
