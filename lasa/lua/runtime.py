"""One LuaJIT with lasa's calls in it: load Lua code, and call it from light threads.

All of a runtime belongs to one OS thread. Each call from Python, light thread of Lua's and timer runs as a Lua
coroutine of its own, which ``drive()`` resumes; see _driver.py for why.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from traceback import clear_frames
from typing import TYPE_CHECKING, Any, Final, Self
from weakref import WeakSet, proxy, ref

from lasa import _hub
from lasa._channel import Channel
from lasa.lua._api import dictionary
from lasa.lua._context import Context
from lasa.lua._convert import Converter
from lasa.lua._driver import INSIDE, message_of
from lasa.lua._tls import Contexts
from lasa.lua.errors import LuaError, LuaMissing, text_of
from lasa.lua.settings import Settings, load_settings
from lasa.lua.watchdog import Watchdog

if TYPE_CHECKING:
    from lasa.lua._resolver import Resolver

try:
    import lupa.luajit21 as lupa
except ImportError as error:
    raise LuaMissing from error

__all__ = ["ALONE", "LuaFunction", "Runtime", "Worker"]

SHARE: Final = os.path.join(os.path.dirname(__file__), "share")

# The runtime's own Lua code that every script needs, in the order in which the chunks need each other; lazy.lua has
# the rest.
CORE: Final = (
    "values",
    "kernel",
    "flatten",
    "exchange",
    "loading",
    "loader",
    "output",
    "arguments",
    "scratch",
    "codec",
    "base64",
    "uri",
    "args",
    "clock",
    "constants",
    "process",
    "errlog",
    "shared",
    "resty_core",
    "thread",
    "semaphore",
    "timer",
    "socket_log",
    "cosocket",
    "datagram",
    "fields",
    "response_headers",
    "error_pages",
    "response",
    "request",
    "request_body",
    "request_socket",
    "var",
    "pcre",
    "re",
    "re_sub",
    "re_split",
    "absent",
    "lazy",
    "globals",
)

CLOSED: Final = "the Lua runtime is closed"

Modules = Mapping[str, Callable[[], Any] | Mapping[str, Any]]


def _refuse(_object: object, _name: object, _is_setting: bool) -> str:
    raise AttributeError("Lua reaches nothing inside a Python object")


def _family(runtime: Runtime, name: bytes) -> tuple[Any, ...]:
    """Return a family's natives as Lua takes them: names and functions by turns."""
    found = import_module(f"lasa.lua._api.{name.decode()}").natives(runtime)
    return tuple([part for native, function in found.items() for part in (native.encode(), function)])


def _time_of(is_monotonic: bool) -> float:
    return _hub.clock.monotonic_s() if is_monotonic else _hub.clock.system_s()


def _text_of(error: object) -> bytes | None:
    """Return what Lua is told of what a native raised; None for what is no error, such as a signal's exception."""
    if not isinstance(error, Exception):
        return None
    # lupa keeps the error, whose frames may hold values of Lua's; it must not find them when their coroutine is gone.
    clear_frames(error.__traceback__)
    return message_of(error)


def _closed(*_: Any) -> Any:
    raise RuntimeError(CLOSED)


def _nothing_to_end(_number: int) -> None:
    return None


def _resolver_of(settings: Settings) -> Resolver | None:
    if settings.resolver is None:
        return None
    from lasa.lua._resolver import Resolver

    return Resolver(settings.resolver, settings.resolver_timeout / 1000)


@dataclass(frozen=True, slots=True)
class Worker:
    """Which of the processes that serve a runtime is in.

    Attributes:
        number: from 0.
        count: of all of them.
        is_forked: whether it has a master.
    """

    number: int = 0
    count: int = 1
    is_forked: bool = False


ALONE: Final = Worker()


class LuaFunction:
    """A Lua function that Python may call; ``Runtime.load()`` and conversions make it."""

    __slots__ = ("__weakref__", "_context", "raw", "runtime")

    def __init__(self, runtime: Runtime, function: Any, context: int | None = None) -> None:
        """Keep the function.

        Args:
            function: as lupa has it.
            context: the number of the one that it runs for, while there is that one; None for the runtime's default.
        """
        self.runtime = runtime
        self.raw = function
        self._context = context

    def __call__(self, *arguments: Any) -> Any:
        """Run the function in the calling light thread, as a Lua coroutine of its own.

        Args:
            arguments: bytes and str (as UTF-8) become strings, lists and tuples arrays, mappings tables, callables
                functions that may wait; numbers, booleans and None are what they are.
        Returns:
            None, the one value, or a tuple of several: strings as bytes, arrays as lists, other tables as dicts.
        Raises:
            LuaError: an error left the function. TypeError: an argument that Lua has no form for.
            RuntimeError: another OS thread's runtime, or one that is closed.
        Switches: whenever Lua waits. Source: beyond the seed.
        """
        runtime = self.runtime
        runtime.check_thread()
        into_lua, to_python = runtime.converter.to_lua, runtime.converter.to_python
        context = runtime.default if self._context is None else runtime.contexts.get(self._context, runtime.default)
        values = context.run_here(self, *[into_lua(value) for value in arguments])
        found = tuple([to_python(value, self._context) for value in values])
        return found[0] if len(found) == 1 else (found or None)


class Runtime:
    """A LuaJIT of its own, with ``lasa``, ``ngx`` and OpenResty's modules.

    Attributes:
        entries: counts each way into Lua and out of it, so it is odd while Lua runs.
        os_thread: the OS thread that the runtime belongs to.
        worker: what ngx.worker says of the process.
    """

    def __init__(
        self,
        *,
        modules: Modules | None = None,
        path: Sequence[str] = (),
        settings: Settings | None = None,
        max_memory_bytes: int | None = None,
    ) -> None:
        """Make a runtime for the calling OS thread.

        Args:
            modules: what ``require`` finds besides files: a function that returns the module, or a mapping of what is
                in it. Functions of Python may wait. (The seed's g_loader_libs.)
            path: folders that ``require`` looks for modules in, before LUA_PATH's.
            settings: those of load_settings(); by default those of the environment and lasa.toml.
            max_memory_bytes: of Lua's own objects that are in use. A script that has more is ended with an error, soon:
                it may have half as much again by then, or one string of any size. None for no limit.
        Raises:
            ValueError: max_memory_bytes is not positive.
        """
        if max_memory_bytes is not None and max_memory_bytes <= 0:
            raise ValueError("max_memory_bytes: positive number required")
        self.settings = load_settings({}) if settings is None else settings
        self.path = tuple(path)
        self.tls = Contexts(self.settings)
        self.resolver = _resolver_of(self.settings)
        for name, size in self.settings.shared_dict.items():
            dictionary.declare(name, size)
        self.os_thread = _hub.os_thread_id()
        self.entries = 0
        self.worker = ALONE
        self.threads: dict[int, Any] = {}
        self.contexts: dict[int, Context] = {}
        self.lua = lupa.LuaRuntime(
            encoding=None,
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
            attribute_filter=_refuse,
        )
        self._modules = dict(modules or {})
        self.core = core = self.lua.table()
        self._set_up(core, path)
        if max_memory_bytes is not None:
            core.max_memory_bytes = max_memory_bytes
            core.load_chunk(b"memory")
        self.converter = Converter(proxy(self))
        self.functions: WeakSet[LuaFunction] = WeakSet()
        self.is_closed = False
        self.start: Callable[..., Any] = core.start
        self.step: Callable[..., Any] = core.step
        self.raise_in: Callable[..., Any] = core.raise_in
        self.new_call: Callable[..., int] = core.new_call
        self._end: Callable[[int], Any] = core.ended
        self._describe: Callable[..., Any] = core.describe
        self._rawequal: Callable[..., Any] = self.lua.globals().rawequal
        self.default = self.new_context("content")
        self.watchdog: Watchdog | None = None
        if self.settings.max_hold_ms:
            self.watch()

    def watch(self) -> None:
        """Warn of code that holds the hub, and end it, as the settings say; for programs, or with max_hold_ms set.

        Without either, signals are heard all the same while Lua code runs on and on.

        Switches: never. Source: beyond the seed.
        """
        settings = self.settings
        if self.watchdog is None:
            self.watchdog = Watchdog(
                self.itself,
                hold_s=settings.warn_hold_ms / 1000 if settings.warn_hold_ms else None,
                max_hold_s=settings.max_hold_ms / 1000 if settings.max_hold_ms else None,
            )

    def _set_up(self, core: Any, path: Sequence[str]) -> None:
        core.native, core.python_of = self.load_shared("_core/natives.lua")(partial(_family, proxy(self)), _text_of)
        core.log_socket_errors = self.settings.socket_log_errors
        core.path = b";".join(f"{folder}/?.lua;{folder}/?/init.lua".encode() for folder in path)
        for name in CORE:
            self.load_shared(f"_core/{name}.lua")(core)
        if _hub.clock.is_replaced():
            core.replace_clock(_time_of)

    def load_shared(self, name: str) -> Any:
        """Return a chunk of the runtime's own, compiled."""
        return self.lua.compile(self.shared_source(name), name=f"@lasa/{name}".encode())

    def shared_source(self, file: str) -> bytes:
        """Return a file of the share folder; raises OSError."""
        with open(os.path.join(SHARE, file), "rb") as source:
            return source.read()

    def run_phase(self, function: LuaFunction, phase: str) -> None:
        """Call a function before the first request, where nothing can wait: for "init" and "init_worker".

        Raises:
            LuaError: an error left it. SystemExit: it called os.exit().
        Switches: never.
        """
        self.check_thread()
        try:
            self.entries += 1
            result = self.core.run_phase(function.raw, phase.encode())
        finally:
            self.entries += 1
        if result is not True:
            _, message, where = result
            if isinstance(message, BaseException):
                raise message
            raise LuaError(text_of(message), message, text_of(where))

    def set_arguments(self, arguments: Sequence[str]) -> None:
        """Set the script's ``arg``: its name first."""
        encoded = enumerate(os.fsencode(argument) for argument in arguments)
        self.lua.globals().arg = self.lua.table_from(dict(encoded))

    def new_context(self, phase: str) -> Context:
        """Return what Lua code can run for."""
        return Context(self, self.core.new_handler(phase.encode()))

    @property
    def itself(self) -> Self:
        """The runtime, for natives that keep it alive: what they are given is a weak proxy of it.

        Lua holds the natives, the runtime holds Lua, and Python's garbage collector cannot see into Lua.
        """
        return self

    def check_thread(self) -> None:
        """Raise RuntimeError unless the calling OS thread may enter Lua now."""
        if _hub.os_thread_id() != self.os_thread:
            raise RuntimeError("the Lua runtime belongs to another OS thread")
        if self.entries & 1:
            raise RuntimeError(INSIDE)
        if self.is_closed:
            raise RuntimeError(CLOSED)

    def load(self, code: str | bytes, name: str = "=(load)") -> LuaFunction:
        """Compile Lua code; the function that it returns runs it, and gets its arguments as ``...``.

        Args:
            name: as Lua's load() takes it: "@file.lua" for a file's name.
        Raises:
            LuaError: a syntax error, with its line.
        Switches: never. Source: beyond the seed.
        """
        self.check_thread()
        source = code.encode() if isinstance(code, str) else code
        try:
            function = self.lua.compile(source, name=name.encode("utf-8", "surrogateescape"))
        except lupa.LuaError as error:
            message = error.args[0]
            raise LuaError(text_of(message) if isinstance(message, bytes) else str(message), message) from None
        return self.function(function)

    def function(self, value: Any, context: int | None = None) -> LuaFunction:
        """Return a function of Lua's, as lupa has it, for Python to call; see LuaFunction."""
        made = LuaFunction(self.itself, value, context)
        self.functions.add(made)
        return made

    def lua_function(self, function: Callable[..., Any]) -> Any:
        """Return a function of Python's for Lua to call; one of this Lua is itself again."""
        if isinstance(function, LuaFunction) and function.runtime is self.itself:
            return function.raw
        return self.core.python_function(self.converter.called_by_lua(function), function)

    def lua_channel(self, channel: Channel) -> Any:
        """Return a channel as Lua uses it."""
        self.core.load_chunk(b"channel")
        return self.core.channel_of(channel)

    def kind_of(self, value: Any) -> str | None:
        """Return Lua's word for what lupa could not make a Python value of; None for Python values."""
        kind: str | None = lupa.lua_type(value)
        return kind

    def has_module(self, name: bytes) -> bool:
        """Whether the host has a module of that name."""
        return name.decode("utf-8", "replace") in self._modules

    def module(self, name: bytes) -> Any:
        """Return the Lua form of a module of the host's, None if there is none of that name."""
        found: Any = self._modules.get(name.decode("utf-8", "replace"))
        if callable(found):
            found = found()
        return None if found is None else self.converter.to_lua(found)

    def told_of(self, error: Exception) -> tuple[Any, ...]:
        """Return the error value, and its level, that Lua gets for what a Python function has raised.

        An error that comes from this very Lua, through Python, goes on as it is.
        """
        if isinstance(error, LuaError):
            if error.raw is not None and error.raw[0]() is self:
                return error.raw[1], 0
            return message_of(error), 0
        return (message_of(error),)

    def error_of(self, number: int, value: Any, raised: Exception | None) -> LuaError:
        """Return what left the function of a light thread as an exception; its coroutine has its stack still.

        Args:
            raised: what a Python function that it called raised last.
        """
        message, where, is_text = self._describe(number, value)
        error = LuaError(text_of(message), value if is_text else None, text_of(where))
        error.raw = ref(self), value
        if not is_text:
            error.value = self.converter.to_python(value, is_lenient=True)
        if raised is not None and self._comes_from(raised, message, value):
            error.__cause__ = raised
        return error

    def _comes_from(self, raised: Exception, message: bytes, value: Any) -> bool:
        if isinstance(raised, LuaError) and raised.raw is not None and type(value) is not bytes:
            return bool(self._rawequal(raised.raw[1], value))
        return message.endswith(message_of(raised))

    def close(self) -> None:
        """Give back this Lua and all that it holds; nothing happens if that is done.

        It is done by itself when nobody has the runtime any more, unless functions of Python that Lua holds have it.
        The light threads that Lua has spawned are ended, and its timers will not fire.

        Raises:
            RuntimeError: another OS thread's runtime, or called by Lua.
        Switches: into the light threads that it ends. Source: beyond the seed.
        """
        if self.is_closed:
            return
        self.check_thread()
        for context in list(self.contexts.values()):
            context.end()
        self.is_closed = True
        for function in self.functions:
            function.raw = None
        self.start = self.step = self.raise_in = self.new_call = self._describe = self._rawequal = _closed
        self._end = _nothing_to_end
        del self.lua, self.core, self.converter, self.default

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def interruption(self) -> BaseException | None:
        """Return what a signal handler has raised while Lua ran, once."""
        return None if self.watchdog is None else self.watchdog.take_interruption()

    def ended(self, number: int) -> None:
        """Forget a light thread, which has ended or was killed."""
        self._end(number)
