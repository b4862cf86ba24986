"""A Lua script as a program, from its first line to its end: ``lasa run FILE.lua`` (seed: lasa_exe), lasa.detach()."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final
from weakref import proxy, ref

from lasa import _hub, timer
from lasa._program import run_program
from lasa._stdio import MUCH, Outlet, StandardStreams, why, write_now
from lasa.lua._context import Context
from lasa.lua._levels import NUMBER_OF, name_of
from lasa.lua._script import read_script
from lasa.lua.errors import LuaError
from lasa.lua.runtime import Modules, Runtime
from lasa.lua.settings import Settings, load_settings

__all__ = ["LogFormatter", "report", "run", "run_detached"]

USAGE_ERROR: Final = 2

logger = logging.getLogger("lasa.lua")


def run(
    *,
    file: str | None = None,
    code: str | bytes | None = None,
    args: Sequence[str] = (),
    modules: Modules | None = None,
    libraries: Sequence[str] = (),
    path: Sequence[str] = (),
    settings: Settings | Mapping[str, Any] | None = None,
) -> int:
    """Run a Lua script as a program, and return its exit status.

    Args:
        file: its path, "-" for stdin; or
        code: its text.
        args: the script's arguments, ``arg`` and ``...`` in Lua.
        modules: see Runtime.
        libraries: modules to load first, as by ``lasa run -l``.
        path: folders with modules, as by ``lasa run -I``.
        settings: by name, before those of the environment and lasa.toml.
    Returns:
        0; what ngx.exit() or os.exit() say; 1 after an error, which is printed with both languages' tracebacks; 2 for
        a script that cannot be read; 128 plus a signal's number.
    Raises:
        ValueError: neither file nor code, or both; a bad setting.
    Switches: always. It must run in the main greenlet of the main OS thread. Source: seed, "lasa_exe".
    """
    if (file is None) == (code is None):
        raise ValueError("run() takes a file or code")
    if not isinstance(settings, Settings):
        settings = load_settings(settings or {})
    try:
        source, name = _source_of(file, code)
    except OSError as error:
        print(f"lasa: cannot read {file}: {error.strerror}", file=sys.stderr)
        return USAGE_ERROR
    streams = StandardStreams()
    _set_up_logging(settings.log_level or "notice")

    def main() -> None:
        timer.set_limits(max_pending=settings.max_pending_timers, max_running=settings.max_running_timers)
        runtime = Runtime(modules=modules, path=path, settings=settings)
        runtime.watch()
        program = _Program(runtime)
        try:
            runtime.set_arguments([file or code_name(code), *args])
            for library in libraries:
                program.call(runtime.load("require(...)", "=(command line)"), [library])
            program.call(runtime.load(source, name), args)
        except LuaError as error:
            report(error)
            raise SystemExit(1) from None
        finally:
            program.flush()

    status = 1
    try:
        status = run_program(main)
    except SystemExit as ending:
        status = _status_of(ending)
    finally:
        status = streams.finish(status)
    return status


def code_name(code: str | bytes | None) -> str:
    """Return what arg[0] is for a script without a file."""
    return "-e" if code is not None else "-"


def report(error: LuaError) -> None:
    """Log what ended the main function: what Python raised, if it comes from there, and Lua's own traceback."""
    logger.error("lua entry thread aborted: runtime error: %s", error, exc_info=error.__cause__)


def run_detached(
    *,
    code: bytes | None,
    file: str | None,
    name: str,
    args: Sequence[Any] = (),
    path: Sequence[str] = (),
    settings: Settings | None = None,
) -> object:
    """Run Lua code or a file as the main function of an OS thread of its own; see lasa.detach().

    Args:
        path, settings: see Runtime.
    Returns:
        What the code returns, as a Lua function's call from Python.
    Raises:
        OSError: the file cannot be read. LuaError: as that call.
    Switches: whenever Lua waits.
    """
    source, chunk_name = _source_of(file, code)
    if code is not None:
        chunk_name = f"={name}"
    runtime = Runtime(path=path, settings=settings)
    settings = runtime.settings
    timer.set_limits(max_pending=settings.max_pending_timers, max_running=settings.max_running_timers)
    runtime.watch()
    main = _Main(runtime)
    runtime.set_arguments([name])
    try:
        into_lua, to_python = runtime.converter.to_lua, runtime.converter.to_python
        values = main.run_here(runtime.load(source, chunk_name), *[into_lua(value) for value in args])
        found = tuple([to_python(value) for value in values])
        return found[0] if len(found) == 1 else (found or None)
    finally:
        main.end()


class _Main(Context):
    """What a main function runs for: its output is stdout."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime, runtime.core.new_handler(b"content"))
        self._stream = sys.stdout  # which closes what is below it once nobody holds it, as at the end of the program
        self._out = self._stream.buffer
        raw = getattr(self._out, "raw", self._out)
        self._outlet = raw if isinstance(raw, Outlet) else None  # None where the host has another stdout
        self._will_flush = False
        self._is_over = False
        me = proxy(self)  # Lua must not hold what holds it
        runtime.core.to_stdout(
            self.handler,
            lambda data: me.write(data),
            lambda: me.flush(),
            lambda: me.drain(),
            lambda data: write_now(sys.stderr, data),
        )
        runtime.default = self

    def call(self, function: Any, args: Sequence[str] = ()) -> None:
        """Run a function of the script's in the calling light thread."""
        self.run_here(function, *[os.fsencode(argument) for argument in args])

    def write(self, data: bytes) -> bool | bytes:
        """Say something; it leaves soon, when others get their turn.

        Returns:
            whether so much has not left that the caller should drain(); or why nothing leaves any more.
        """
        outlet = self._outlet
        if outlet is not None and outlet.error is not None:
            return why(outlet.error)
        try:
            self._out.write(data)
        except (OSError, ValueError) as error:
            return why(error)
        if self._is_over:
            err = self.flush()
            if err is not None:
                return err
        elif not self._will_flush:
            self._will_flush = True
            _hub.call_soon(partial(_flush, ref(self)))  # what is due no more must not keep the runtime
        return outlet is not None and outlet.size > MUCH

    def end(self) -> None:
        """Say all now, and what timers say later at once: nobody may be there to do it soon."""
        self._is_over = True
        self.flush()

    def flush(self) -> bytes | None:
        """Say it now; return why that cannot be, None if it can."""
        self._will_flush = False
        try:
            self._out.flush()
        except (OSError, ValueError) as error:
            return why(error)
        return None

    def drain(self) -> tuple[int | None, bytes | None]:
        """Say it now, and wait until it has left; for Lua, as a door. Switches: where it has to wait."""
        err = self.flush()
        if err is None and self._outlet is not None:
            self._outlet.wait()
            if self._outlet.error is not None:
                err = why(self._outlet.error)
        return (1, None) if err is None else (None, err)


class _Program(_Main):
    """The same for the main function of the process, whose end is that of the process."""

    def exit(self, status: int) -> None:
        """ngx.exit(): end the process; HTTP's statuses for success, and ngx.OK, are 0."""
        raise SystemExit(0 if 200 <= status < 300 else status if 0 <= status < 200 else 1)


def _flush(main: ref[_Main]) -> None:
    found = main()
    if found is not None:
        found.flush()


def _source_of(file: str | None, code: str | bytes | None) -> tuple[bytes, str]:
    if code is not None:
        return code.encode("utf-8", "surrogateescape") if isinstance(code, str) else code, "=(command line)"
    if file == "-":
        return sys.stdin.buffer.read(), "=stdin"
    assert file is not None
    return read_script(file), f"@{file}"


def _status_of(ending: SystemExit) -> int:
    if ending.code is None:
        return 0
    return ending.code if isinstance(ending.code, int) else 1


class LogFormatter(logging.Formatter):
    """Lines as nginx's error log has them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return ``2026/11/22 18:00:00 [error] 123#0: message``."""
        self.datefmt = "%Y/%m/%d %H:%M:%S"
        place = f"{self.formatTime(record, self.datefmt)} [{name_of(record)}] {record.process}#0"
        text = f"{place}: {record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def _set_up_logging(level: str) -> None:
    # Only where the host has not set up logging itself.
    ours = logging.getLogger("lasa")
    if logging.getLogger().handlers or ours.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter())
    ours.addHandler(handler)
    ours.propagate = False
    if ours.level == logging.NOTSET:
        ours.setLevel(NUMBER_OF[level])
