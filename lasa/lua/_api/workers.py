"""ngx.run_worker_thread: calls of Lua functions that block or compute, in OS threads with a Lua of their own.

Each pool has OS threads of its own, so that what blocks in one pool keeps no call of another waiting. The Lua of an OS
thread ends with it, when it has had no work for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from lasa import _hub
from lasa.lua._driver import Values, message_of
from lasa.lua.settings import Settings

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["natives"]

THREADS_MAX: Final = 32  # of a pool, as nginx has it by default


class _WorkerLua:
    """The Lua of one of the OS threads, which is made with the first call."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._runtime: Runtime | None = None
        self._call: Any = None

    def do(self, settings: Settings, arguments: tuple[bytes, ...]) -> tuple[Any, ...]:
        """Return whether the call went well, and its packed results or its error."""
        try:
            runtime = self._runtime_for(settings)
            context = runtime.new_context("worker_thread")
            return context.run(runtime.new_call(self._call.raw, context.handler), *arguments) or (False, b"exited")
        except BaseException as error:  # os.exit() raises SystemExit
            return False, message_of(error)

    def _runtime_for(self, settings: Settings) -> Runtime:
        from lasa.lua.runtime import Runtime  # which imports this module, where Lua asks for it

        if self._runtime is None or self._settings is not settings:
            self.close()
            runtime = Runtime(settings=settings)
            self._call = runtime.function(runtime.load_shared("_core/worker_side.lua")(runtime.core))
            self._runtime, self._settings = runtime, settings
        return self._runtime

    def close(self) -> None:
        """Give back the Lua."""
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()


_pools: dict[bytes, _hub.OsPool[_WorkerLua]] = {}


def natives(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """Return run, which switches: the pool's name, then what worker_side.lua takes; it returns what that returns."""

    def run(name: bytes, *arguments: bytes) -> Values:
        pool = _pools.get(name)
        if pool is None:
            thread_name = f"lasa.lua {name.decode('utf-8', 'replace')}"
            pool = _pools.setdefault(name, _hub.OsPool(thread_name, THREADS_MAX, lambda: closing(_WorkerLua())))
        try:
            return Values(*pool.run(lambda lua: lua.do(runtime.settings, arguments)))
        except _hub.NoOsThread:
            return Values(False, b"ngx_thread_task_post failed")

    return {"run": run}
