"""ngx.run_worker_thread: calls of Lua functions that block or compute, in OS threads with a Lua of their own.

Each pool has OS threads of its own, made when they are needed, so that what blocks in one pool keeps no call of another
waiting. An OS thread without work ends after a while, and its Lua with it.
"""

from __future__ import annotations

from _queue import Empty, SimpleQueue
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from lasa import _hub, _process
from lasa.lua._driver import Values, message_of
from lasa.lua.settings import Settings

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["natives"]

THREADS_MAX: Final = 32  # of a pool, as nginx has it by default
IDLE_S: Final = 10.0


class _Call:
    """A call on its way to an OS thread of a pool, and its results on their way back."""

    __slots__ = ("arguments", "is_dropped", "results", "settings", "wake_up")

    def __init__(self, settings: Settings, arguments: tuple[bytes, ...]) -> None:
        self.settings = settings
        self.arguments = arguments
        self.results: tuple[Any, ...] = ()
        self.is_dropped = False  # nobody waits for it any more
        self.wake_up = _hub.WakeUpCall()


class _Pool:
    """OS threads, each with a Lua, and the calls that they are to do."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = _hub.OsLock()
        self._calls: SimpleQueue[_Call] = SimpleQueue()
        self._threads = 0
        self._spare = 0  # OS threads without work, minus the calls that they are about to take

    def submit(self, call: _Call) -> None:
        """Have a call done.

        Raises:
            RuntimeError: there is no OS thread for it, and the system gives none.
        """
        with self._lock:
            self._spare -= 1
            if self._spare < 0 and self._threads < THREADS_MAX:
                try:
                    _hub.start_os_thread(self._work, f"lasa.lua {self._name}")
                    self._threads += 1
                    self._spare += 1
                except RuntimeError:
                    if not self._threads:
                        self._spare += 1
                        raise
            self._calls.put(call)

    def _work(self) -> None:
        lua: _WorkerLua | None = None
        while True:
            try:
                call = self._calls.get(timeout=IDLE_S)
            except Empty:
                with self._lock:
                    if self._spare <= 0:
                        continue  # a call is about to come
                    self._spare -= 1
                    self._threads -= 1
                break
            if not call.is_dropped:
                try:
                    if lua is not None and lua.settings is not call.settings:
                        lua.close()
                        lua = None
                    lua = lua or _WorkerLua(call.settings)
                    call.results = lua.do(call.arguments)
                except BaseException as error:
                    call.results = False, message_of(error)
            with self._lock:
                self._spare += 1
            call.wake_up.ring()
            del call  # what it holds is its caller's
        if lua is not None:
            lua.close()
        _hub.end_hub()


class _WorkerLua:
    """The Lua of one of the OS threads."""

    def __init__(self, settings: Settings) -> None:
        from lasa.lua.runtime import Runtime  # which imports this module, where Lua asks for it

        self.settings = settings
        self._runtime = Runtime(settings=settings)
        side = self._runtime.load_shared("_core/worker_side.lua")(self._runtime.core)
        self._call = self._runtime.function(side)

    def do(self, arguments: tuple[bytes, ...]) -> tuple[Any, ...]:
        """Return whether the call went well, and its packed results or its error; os.exit() raises SystemExit."""
        runtime = self._runtime
        context = runtime.new_context("worker_thread")
        return context.run(runtime.new_call(self._call.raw, context.handler), *arguments) or (False, b"exited")

    def close(self) -> None:
        """Give back the Lua."""
        self._runtime.close()


_pools: dict[bytes, _Pool] = {}

_process.at_fork("the OS threads of ngx.run_worker_thread()", _pools.clear)


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return run, which switches: the pool's name, then what worker_side.lua takes; it returns what that returns."""

    def run(name: bytes, *arguments: bytes) -> Values:
        pool = _pools.get(name)
        if pool is None:
            pool = _pools.setdefault(name, _Pool(name.decode("utf-8", "replace")))
        call = _Call(runtime.settings, arguments)
        try:
            pool.submit(call)
        except RuntimeError:
            return Values(False, b"ngx_thread_task_post failed")
        try:
            call.wake_up.wait(None)
        except BaseException:
            call.is_dropped = True
            raise
        return Values(*call.results)

    return {"run": run}
