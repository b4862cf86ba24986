"""What Lua code runs for: the main program, a timer, a request. ngx.exit() ends all light threads of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lasa import _hub, thread
from lasa.lua._driver import drive

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["Context", "HandlerExit"]


class HandlerExit(BaseException):
    """ngx.exit() was called: it ends the context, and pcall() must not catch it.

    Attributes:
        status: what it was called with.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Context:
    """The light threads that run for one purpose.

    Attributes:
        number: as Lua knows it.
        exit_status: what ngx.exit() was given, None before.
    """

    def __init__(self, runtime: Runtime, handler: Any) -> None:
        self.runtime = runtime
        self.handler = handler
        self.number: int = handler.number
        self.exit_status: int | None = None
        self._main: Any = None
        self._live: set[Any] = set()
        self._waiter: Any = None
        runtime.contexts[self.number] = self

    def run(self, number: int, *arguments: Any) -> tuple[Any, ...]:
        """Run the light thread ``number``, and wait until all that it has spawned have ended.

        Returns:
            What the main light thread returned; nothing after ngx.exit().
        Raises:
            LuaError: its function failed; the others are ended then.
        """
        self._main = _hub.getcurrent()
        try:
            values = drive(self.runtime, number, *arguments)
            while self._live and self.exit_status is None:
                self._waiter = self._main
                _hub.pause()
            return values
        except HandlerExit:
            return ()
        except _hub.GreenletExit:
            if self.exit_status is None:
                raise
            return ()
        finally:
            self._waiter = self._main = None
            self.end()

    def run_here(self, function: Any, *arguments: Any) -> tuple[Any, ...]:
        """Call a LuaFunction for this context, in the calling light thread; arguments as Lua has them."""
        runtime = self.runtime
        runtime.check_thread()
        return drive(runtime, runtime.new_call(function.raw, self.handler), *arguments)

    def end(self) -> None:
        """End the light threads that are left, and close the sockets that were opened for it."""
        for other in list(self._live):
            if not other.is_over:
                thread.throw(other)
        self.runtime.contexts.pop(self.number, None)
        self.runtime.core.handler_ended(self.number)

    def joined(self, handle: Any) -> None:
        """A light thread was spawned for it, and waits for something now."""
        self._live.add(handle)

    def left(self, handle: Any) -> None:
        """A light thread of it has ended."""
        self._live.discard(handle)
        if not self._live and self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            _hub.wake(waiter)

    def exit(self, status: int) -> None:
        """End everything that runs for it; the caller, too, must not go on.

        Raises:
            HandlerExit: always.
        """
        self.exit_status = status
        main = self._main
        if main is not None and main is not _hub.getcurrent():
            if self._waiter is None:
                _hub.kill_greenlet(main)
            else:  # it waits for the others only, which end now
                self._waiter = None
                _hub.wake(main)
        raise HandlerExit(status)
