"""The trampoline: runs one Lua light thread in the light thread that calls it.

Lua runs until its coroutine yields a Python function and arguments. The function is called with no Lua frame on the
C stack, so that it may switch to other light threads, and the coroutine goes on with what it returned. A switch
inside a function that Lua itself has called would leave two light threads on one C stack; lupa's runtimes crash then,
or give wrong results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lasa._options import WrongKind
from lasa._values import type_name
from lasa.errors import Error
from lasa.lua.errors import LuaError

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["INSIDE", "Values", "drive", "failure_of", "message_of"]

INSIDE: Final = "Lua cannot be entered while Lua runs below, in a function that it has called directly"


class Values:
    """What a Python function returns whose values Lua gets exactly as they are: no door, whose last None may go.

    Attributes:
        values: the Lua forms.
    """

    __slots__ = ("values",)

    def __init__(self, *values: Any) -> None:
        self.values = values


def drive(runtime: Runtime, number: int, *arguments: Any) -> tuple[Any, ...]:
    """Run the Lua light thread ``number`` to its end; return its results.

    Raises:
        LuaError: its function failed. Whatever ends a waiting light thread (a kill, gevent.Timeout) passes through.
    Switches: whenever Lua waits.
    """
    step = runtime.step
    raised: Exception | None = None  # what Lua was told of last, for the traceback, in case nobody there catches it
    if runtime.entries & 1:
        raise RuntimeError(INSIDE)
    try:
        runtime.entries += 1
        result = runtime.start(number, *arguments)
        runtime.entries += 1
        while True:
            if type(result) is not tuple:  # lupa's form of a single value
                result = (result,)
            call = result[0]
            if call is True:
                results: tuple[Any, ...] = result[1:]
                return results
            if call is False:
                break
            try:
                # A plain call needs less of the C stack, which is copied when light threads are switched.
                values = call(result[1]) if len(result) == 2 else call(*result[1:])
            except Exception as error:
                raised = error
                told = runtime.told_of(error)
                runtime.entries += 1
                result = runtime.raise_in(number, *told)
                runtime.entries += 1
                continue
            if type(values) is not tuple:
                values = () if values is None else values.values if type(values) is Values else (values,)
            elif values:
                first = values[0]
                if first is None:
                    values = failure_of(values)
                elif values[-1] is None:
                    runtime.entries += 1
                    result = step(number, first)
                    runtime.entries += 1
                    continue
            runtime.entries += 1
            result = step(number, *values)
            runtime.entries += 1
        interruption = runtime.interruption()
        if interruption is not None:
            raise interruption
        raise runtime.error_of(number, result[1], raised)
    finally:
        raised = None  # its traceback holds this frame, which must not hold it
        if runtime.entries & 1:  # lupa itself raised
            runtime.entries += 1
        runtime.ended(number)


def failure_of(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a door's failed result as Lua has it: words as bytes, and no more values than OpenResty returns."""
    if values[-1] is None and len(values) == 3 and values[1] is not None:
        values = values[:2]
    return tuple([value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value for value in values])


def message_of(error: BaseException) -> bytes:
    """Return what Lua is told of an exception: the text of a complaint about an argument, else with its class."""
    text = error.message if isinstance(error, LuaError) else str(error)
    if isinstance(error, WrongKind):
        text = f'bad "{error.args[0]}" option type: {type_name(error.args[1])}'
    if not isinstance(error, ValueError | TypeError | RuntimeError | Error | LuaError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text.encode("utf-8", "surrogateescape")
