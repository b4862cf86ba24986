"""The lasa command: ``lasa run FILE.py [arguments]``, ``lasa serve module:handler``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

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
    _add_serve(commands)
    options = parser.parse_args(arguments)
    if options.command == "serve":
        from lasa._serve import ServeOptions, serve  # HTTP is of no use to `lasa run`, and takes its time to import

        values = vars(options)
        del values["command"]
        return serve(ServeOptions(**values))
    return run_file(options.file, options.arguments)


def _add_serve(commands: Any) -> None:
    serve = commands.add_parser(
        "serve",
        help="serve HTTP by a handler or a WSGI application",
        description="Serve HTTP by a handler of lasa's, a function of one request, or by a WSGI application. The "
        "current folder comes first in sys.path. The first SIGINT or SIGTERM stops gracefully, with exit status 0; a "
        "second one stops at once.",
    )
    what = serve.add_mutually_exclusive_group(required=True)
    what.add_argument("handler", nargs="?", metavar="MODULE:HANDLER", help="the handler, 'handler' by default")
    what.add_argument("--wsgi", metavar="MODULE:APP", help="a WSGI application, 'app' by default; also 'module:make()'")
    serve.add_argument(
        "--listen", default="127.0.0.1:8000", metavar="ADDRESS", help="host:port or unix:/path (%(default)s)"
    )
    serve.add_argument("--workers", type=int, metavar="N", help="processes, by gunicorn; otherwise this one serves")
    serve.add_argument("--ssl-cert", metavar="FILE", help="certificate chain, for https")
    serve.add_argument("--ssl-key", metavar="FILE", help="its key, if it is not in the same file")
    serve.add_argument(
        "--access-log", choices=["combined", "json", "off"], default="combined", help="to stdout (%(default)s)"
    )
    serve.add_argument(
        "--grace",
        type=float,
        default=30.0,
        dest="grace_s",
        metavar="SECONDS",
        help="for running requests (%(default)s)",
    )
    serve.add_argument(
        "--log-level", choices=["debug", "info", "warning", "error"], default="info", help="to stderr (%(default)s)"
    )
    serve.add_argument(
        "--no-patch",
        action="store_false",
        dest="patches",
        help="leave the standard library as it is; otherwise --wsgi does gevent.monkey.patch_all() first",
    )


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
    if logging.lastResort is not None:
        # Where the script sets up no logging, what light threads die of goes to stderr all the same, and says when. A
        # handler of the root logger's would make the script's own basicConfig() do nothing.
        logging.lastResort.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s: %(message)s"))

    def script() -> None:
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)

    return run_program(script)


def _version() -> str:
    try:
        return version("lasa-cosocket")
    except PackageNotFoundError:
        return "(not installed)"
