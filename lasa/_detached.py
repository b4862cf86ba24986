"""Run a program of its own in another OS thread (seed: lasa.detach).

It has its own hub, so light threads, timers and idle connections of its own, and nothing in common with its caller but
what it is given, such as a ``lasa.channel``. It is over when a program of ``lasa run`` would be: when its main
function, its light threads and its timers are done. Its OS thread then gives back all that its hub held.

Nobody waits for it by itself. When the process exits it is asked to stop, as by ``stop()``, and has GRACE_S seconds;
whoever never yields in it is interrupted, and what blocks in a call of the system's is abandoned.
"""

import atexit
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib.util import find_spec
from itertools import count
from typing import Annotated, Any, Final, TypedDict, Unpack

from lasa import _hub, _process
from lasa._functions import check_function, checked_result
from lasa._life import BUSY_S, GRACE_S, Life
from lasa._options import Checker, Opt
from lasa._values import kind_of, wait_s
from lasa.errors import SocketTimeout, failed

__all__ = ["DetachOptions", "Detached", "detach"]

logger = logging.getLogger("lasa.thread")

GIVING_BACK_S: Final = 0.5  # what follows the grace

_CONTENTS: Final = ("content", "content_by_lua", "content_by_file")

_numbers = count(1)
_alive: set["Detached"] = set()


class DetachOptions(TypedDict, total=False):
    """What lasa.detach() takes, one of the three contents among it."""

    name: Annotated[str | bytes | None, Opt(unset="`detached-1` and so on")]
    """The name of the OS thread."""
    content: Annotated[Callable[..., object] | str | bytes | None, Opt(unset=" ")]
    """A function, which is called with `args`; or Python code, which finds them as `args`."""
    content_by_lua: Annotated[str | bytes | None, Opt(unset=" ")]
    """Lua code."""
    content_by_file: Annotated[str | bytes | os.PathLike[str] | None, Opt(unset=" ")]
    """The path of a file, which runs as Python if it ends with `.py`, as Lua with `.lua`."""
    args: Annotated[Iterable[Any], Opt(default=())]
    """Arguments: of the function, of the chunk in Lua."""


_CHECKER: Final = Checker(DetachOptions)


class Detached:
    """The handle of a detached program; ``lasa.detach()`` makes it. Its calls are for any OS thread.

    Attributes:
        name: of the OS thread, as log records have it.
    """

    def __init__(self, function: Callable[[], object], name: str) -> None:
        self.name = name
        self._function: Callable[[], object] | None = function
        self._lock = _hub.OsLock()
        self._joins = _hub.WakeUpCalls()
        self._outcome: tuple[Any, ...] | None = None
        self._os_thread_id: int | None = None
        self._life: Life | None = None
        self._end_soon: Callable[[], None] | None = None
        self._is_asked = False

    def __repr__(self) -> str:
        return f"<detached {self.name!r}, {'running' if self.is_alive else 'over'}>"

    @property
    def is_alive(self) -> bool:
        """Whether it is not over yet."""
        return self._outcome is None

    @property
    def error(self) -> BaseException | None:
        """The exception that ended it; None while it runs, and if it ended by itself."""
        return self._outcome[1] if self._outcome is not None and self._outcome[0] is False else None

    def join(self, timeout_s: float | None = None) -> tuple[Any, ...]:
        """Wait until it is over, as often as one likes.

        Args:
            timeout_s: seconds, cut to whole milliseconds; None waits for ever, 0 does not wait.
        Returns:
            ``(True, *values)``: a tuple that the main function returned spreads into values, anything else is one
            value; ``(False, error)``: the exception that ended it, ThreadKilled after stop(); ``(None, "timeout")``.
        Raises:
            RuntimeError: it would wait for itself. ValueError: "no negative number".
        Switches: unless it is over.
        """
        if timeout_s is not None:
            timeout_s = wait_s(timeout_s, "Detached.join()")
        if self._outcome is None:
            if self._os_thread_id == _hub.os_thread_id():
                raise RuntimeError("a detached program cannot join itself")
            if timeout_s == 0:
                return failed(SocketTimeout().during("wait", timeout_s=timeout_s))
            self._joins.wait(self._is_over, timeout_s)
        return self._outcome or failed(SocketTimeout().during("wait", timeout_s=timeout_s))

    def stop(self) -> None:
        """Ask it to end at once: its light threads are killed, its timers fire premature, for GRACE_S at most.

        Whoever never waits there is not interrupted. Nothing happens if it is over. Switches: never.
        """
        with self._lock:
            self._is_asked = True
            end_soon = self._end_soon
        if end_soon is not None:
            end_soon()

    def _is_over(self) -> bool:
        return self._outcome is not None

    def _start(self) -> None:
        """Begin; called once, by detach()."""
        _alive.add(self)
        try:
            _hub.start_os_thread(self._run, self.name)
        except BaseException:
            _alive.discard(self)
            raise

    def _wait_blocking(self, timeout_s: float) -> None:
        """Wait for its end without a hub, for the end of the process."""
        self._joins.wait(self._is_over, max(0.0, timeout_s), blocks=True)

    def _interrupt(self) -> None:
        """Kill whoever runs there and has not yielded since stop()."""
        life = self._life
        if life is not None and not life.is_ending and self._os_thread_id is not None:
            _hub.interrupt_os_thread(self._os_thread_id, _hub.ThreadKilled)

    def _run(self) -> None:
        self._os_thread_id = _hub.os_thread_id()
        outcome = self._live()
        try:
            _hub.end_hub()
        finally:
            self._outcome = outcome
            _alive.discard(self)
            self._joins.ring()

    def _leave_behind(self) -> None:
        # In a child, where it does not run, unless it is the one that has forked.
        self._lock = _hub.OsLock()
        self._joins.forget()
        if self._outcome is None and self._os_thread_id != _hub.os_thread_id():
            self._end_soon = self._life = None
            self._outcome = False, RuntimeError("it runs in the process that this one was forked from")

    def _live(self) -> tuple[Any, ...]:
        life = self._life = Life(self._function)  # type: ignore[arg-type]
        self._function = None
        try:
            bell = _hub.doorbell()
            with self._lock:
                self._end_soon = lambda: bell.call(life.end_soon)
                is_asked = self._is_asked
            if is_asked:
                life.end_soon()
            life.live()
        except BaseException as error:  # of a greenlet that handed it to the hub
            life.failure = error
        self._end_soon = self._life = None
        if life.failure is not None and not isinstance(life.failure, SystemExit):
            logger.error("detached program %s aborted: %r", self.name, life.failure, exc_info=life.failure)
        return _outcome_of(life)


def _outcome_of(life: Life) -> tuple[Any, ...]:
    if life.failure is not None:
        return False, life.failure
    if life.is_killed:
        return False, _hub.ThreadKilled()
    return (True, *life.result) if type(life.result) is tuple else (True, life.result)


def detach(conf: Mapping[str, Any] | None = None, /, **options: Unpack[DetachOptions]) -> Detached:
    """Run a program in an OS thread of its own, with its own hub.

    Args:
        conf: the options as a mapping, as the seed has them; or they are given by name.
        name: of the OS thread; "detached-1" and so on by default.
        content: a function, called with ``args``; or Python code, which finds them as ``args``.
        content_by_lua: Lua code.
        content_by_file: the path of a file, which runs as Python if it ends with ".py", as Lua with ".lua".
        args: a tuple; for Lua the chunk's arguments.
    Returns:
        The handle, at once. An exception that leaves the main function ends the program, is logged, and kept in it.
    Raises:
        ValueError: not one of the three contents; another kind of file; ``unknown option "NAME"``.
        TypeError: a content that is none. OSError: no such file. SyntaxError: Python code that is none.
        ModuleNotFoundError: Lua without lupa. RuntimeError: the system has no more OS threads. SocketError: "too many
        open files": there are none left for another hub.
    Switches: never. Source: seed, "lasa.detach".
    """
    if conf is not None and not isinstance(conf, Mapping):
        how = "content" if callable(conf) else "name"
        raise TypeError(f"lasa.detach() takes a mapping, or keywords such as {how}=…, got {kind_of(conf)}")
    given: dict[str, Any] = {**(conf or {}), **options}
    _CHECKER.refuse_unknown(given)
    name = _text(given.get("name")) or f"detached-{next(_numbers)}"
    args = given.get("args", ())
    if isinstance(args, str | bytes) or not isinstance(args, Iterable):
        raise TypeError(f"args: tuple expected, got {kind_of(args)}")
    _hub.require_descriptors()
    handle = Detached(_main_function(given, name, tuple(args)), name)
    handle._start()
    return handle


def _main_function(given: Mapping[str, Any], name: str, args: tuple[Any, ...]) -> Callable[[], object]:
    contents = [key for key in _CONTENTS if given.get(key) is not None]
    if len(contents) != 1:
        raise ValueError(f"one of {', '.join(_CONTENTS)} expected, got {' and '.join(contents) or 'none'}")
    content = given[contents[0]]
    if contents == ["content"] and callable(content):
        check_function(content, "lasa.detach()")
        return lambda: checked_result(content(*args), content, "lasa.detach()")
    if not isinstance(content, str | bytes | os.PathLike):
        raise TypeError(f"{contents[0]}: string expected, got {type(content).__name__}")
    if contents == ["content"]:
        return _python(content, f"<{name}>", args)
    if contents == ["content_by_lua"]:
        code = content.encode() if isinstance(content, str) else content
        return _lua(code=code, file=None, name=name, args=args)
    path = os.fsdecode(content)
    if path.endswith(".py"):
        with open(path, "rb") as file:
            return _python(file.read(), path, args)
    if path.endswith(".lua"):
        os.stat(path)  # in the caller is the better place to learn that it is not there
        return _lua(code=None, file=path, name=name, args=args)
    raise ValueError(f"content_by_file: a .py or .lua file expected, got {path}")


def _python(source: Any, path: str, args: tuple[Any, ...]) -> Callable[[], object]:
    namespace = {"__name__": "__main__", "__file__": path, "args": args}
    return partial(exec, compile(source, path, "exec", dont_inherit=True), namespace)


def _lua(**program: Any) -> Callable[[], object]:
    if find_spec("lupa") is None:
        raise ModuleNotFoundError("Lua needs lupa: pip install 'lasa-cosocket[lua]'", name="lupa")

    def run() -> object:
        from lasa.lua import run_detached  # without the extra there is nothing to import

        return run_detached(**program)

    return run


def _text(name: str | bytes | None) -> str | None:
    if not isinstance(name, str | bytes | None):
        raise TypeError(f"name: str expected, got {kind_of(name)}")
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name


def _stop_all() -> None:
    # At the end of the process; a second Ctrl-C cuts it short. Python ends an OS thread that runs when the interpreter
    # is gone in a way that greenlets do not survive, so none that can be ended is left.
    try:
        handles = list(_alive)
        for handle in handles:
            handle.stop()
        deadline_s = time.monotonic() + GRACE_S + GIVING_BACK_S
        while handles and time.monotonic() < deadline_s:
            busy_at_s = min(time.monotonic() + BUSY_S, deadline_s)
            for handle in handles:
                handle._wait_blocking(busy_at_s - time.monotonic())
            handles = [handle for handle in handles if handle.is_alive]
            for handle in handles:
                handle._interrupt()
    except KeyboardInterrupt:
        return


atexit.register(_stop_all)
_process.at_fork("detached programs", _alive.clear)
_process.inherited(Detached, Detached._leave_behind)
