"""The lasa command: ``lasa run FILE [arguments]`` and ``lasa serve HANDLER``, for Python and, with the extra, Lua."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from lasa._program import run_program

__all__ = ["main", "run_file"]

USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status; the arguments are sys.argv's by default."""
    parser = argparse.ArgumentParser(prog="lasa", description="Straight-line network code in light threads.")
    parser.add_argument("--version", action=_ShowVersion, nargs=0, default=argparse.SUPPRESS, help="show it and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="run a script as the main light thread",
        description="Run a Python or Lua script as the main light thread, wait for its light threads and timers, and "
        "hand on its exit status. SIGINT (as KeyboardInterrupt) and SIGTERM end it at once: light threads are killed, "
        "timers fire premature.",
    )
    run.add_argument("file", nargs="?", metavar="FILE", help="the script: FILE.py, FILE.lua, or - for Lua from stdin")
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="its sys.argv[1:], or arg")
    _add_lua(run)
    run.add_argument("-e", dest="code", metavar="CODE", help="run this Lua code")
    run.add_argument("-l", dest="libraries", action="append", default=[], metavar="MODULE", help="require it first")
    _add_serve(commands)
    options = parser.parse_args(arguments)
    if options.command == "serve":
        from lasa._serve import ServeOptions, serve  # HTTP is of no use to `lasa run`, and takes its time to import

        values = vars(options)
        del values["command"]
        is_of_lua = values["path"] or values["chosen"] or values["init"] or values["init_worker"]
        if is_of_lua and not (values["handler"] or "").endswith(".lua"):
            parser.error("-I, --set, --init and --init-worker are for Lua: lasa serve FILE.lua")
        return serve(ServeOptions(**values))
    if options.code is not None or options.file == "-" or (options.file or "").endswith(".lua"):
        return _run_lua(options)
    if options.file is None:
        run.error("a FILE, or -e CODE, is needed")
    if options.libraries or options.path or options.chosen:
        run.error(f"-I, -l and --set are for Lua, and {options.file} is no Lua file")
    return run_file(options.file, options.arguments)


def _run_lua(options: argparse.Namespace) -> int:
    try:
        from lasa.lua.program import run  # LuaJIT is of no use to Python's scripts
        from lasa.lua.settings import BadSetting, load_settings
    except ImportError as error:
        print(f"lasa: {error}", file=sys.stderr)
        return USAGE_ERROR
    arguments = options.arguments
    if options.code is not None and options.file is not None:
        arguments = [options.file, *arguments]
    try:
        settings = load_settings({}, dict(options.chosen))
    except BadSetting as error:
        print(f"lasa: {error}", file=sys.stderr)
        return USAGE_ERROR
    _freeze_imports()
    return run(
        file=options.file if options.code is None else None,
        code=options.code,
        args=arguments,
        libraries=options.libraries,
        path=options.path,
        settings=settings,
    )


def _add_lua(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-I", dest="path", action="append", default=[], metavar="DIR", help="a folder with Lua modules, before LUA_PATH"
    )
    command.add_argument(
        "--set",
        dest="chosen",
        action="append",
        default=[],
        type=_setting,
        metavar="NAME=VALUE",
        help="a setting of the Lua runtime, such as socket_read_timeout=1000 (milliseconds) or shared_dict.NAME=1m",
    )


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"NAME=VALUE expected, got {text!r}")
    return name, value


def _add_serve(commands: Any) -> None:
    serve = commands.add_parser(
        "serve",
        help="serve HTTP by a handler, a Lua file or a WSGI application",
        description="Serve HTTP by a handler of lasa's, a function of one request; by a Lua file, which runs for each "
        "request as OpenResty's content_by_lua_file does; or by a WSGI application. The current folder comes first in "
        "sys.path. The first SIGINT or SIGTERM stops gracefully, with exit status 0; a second one stops at once.",
    )
    what = serve.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "handler", nargs="?", metavar="MODULE:HANDLER", help="the handler, 'handler' by default; or FILE.lua"
    )
    what.add_argument("--wsgi", metavar="MODULE:APP", help="a WSGI application, 'app' by default; also 'module:make()'")
    _add_lua(serve)
    serve.add_argument("--init", metavar="FILE", help="Lua that runs once, before the first request and any fork")
    serve.add_argument("--init-worker", metavar="FILE", help="Lua that runs in each process, before its first request")
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

    _freeze_imports()
    return run_program(script, interrupts=True)


def _freeze_imports() -> None:
    # What is imported stays, so the garbage collector need not look at it again and again, above all at exit: the start
    # and end of an empty script together take a sixth less.
    gc.freeze()


class _ShowVersion(argparse.Action):
    """--version, which looks the version up when it is asked for: a script would wait 15 ms for that."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"lasa {_version()}")
        parser.exit()


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("lasa-cosocket")
    except PackageNotFoundError:
        return "(not installed)"
