"""What users hand over to be called: plain functions, which may wait anywhere. Async ones are refused.

An async function does nothing when it is called but return a coroutine, which only a loop such as asyncio's can run. So
it is refused where it is handed over, and where it is hidden (in a lambda, for one) its result is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import AsyncGeneratorType, CoroutineType
from typing import Any, Final

from lasa._values import kind_of

__all__ = ["check_function", "checked_result", "is_async", "is_left_over", "name_of", "refusal"]

_ASYNC: Final = 0x80 | 0x200  # of a code object: its calls make coroutines, or asynchronous generators
_LEFT_OVER: Final = (CoroutineType, AsyncGeneratorType)


def name_of(function: object) -> str:
    """Return what the log calls a function: its qualified name, that of the function within a partial, or its class."""
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__qualname__", None)
    return name if isinstance(name, str) else type(function).__qualname__


def is_async(function: object) -> bool:
    """Whether a call would do nothing yet: of an async function or generator, also as method, __call__ or partial."""
    while isinstance(function, partial):
        function = function.func
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None and not isinstance(function, type):
        code = getattr(getattr(type(function), "__call__", None), "__code__", None)  # noqa: B004
    return bool(getattr(code, "co_flags", 0) & _ASYNC)


def refusal(call: str, function: object, result: Any = None) -> TypeError:
    """Return the error about an async function, or about another one that has returned what such a one does.

    Args:
        call: what was to call it, for the text, such as "lasa.thread.spawn()".
    """
    if isinstance(function, _LEFT_OVER):
        got = f"{function!r}, and no function at all"
    elif is_async(function):
        got = f"the async function {name_of(function)}"
    else:
        got = f"{name_of(function)}, which returned {result!r}"
    return TypeError(
        f"{call} takes a plain function, in which any call may wait, got {got}; "
        "only asyncio runs that, as in lasa.to_thread(asyncio.run, coroutine)"
    )


def is_left_over(result: object) -> bool:
    """Whether ``result`` is what an async function returned, of which nothing has run; a coroutine is closed then."""
    if isinstance(result, CoroutineType):
        result.close()  # or Python would warn that it was never awaited
    return isinstance(result, _LEFT_OVER)


def check_function(function: object, call: str) -> None:
    """Let pass what can be called and waits by itself.

    Args:
        call: what is to call it, for the text, such as "lasa.to_thread()".
    Raises:
        TypeError: it cannot be called, or is async.
    """
    if is_async(function) or isinstance(function, _LEFT_OVER):
        raise refusal(call, function)
    if not callable(function):
        raise TypeError(f"{call} takes a function, got {kind_of(function)}")


def checked_result(result: Any, function: Callable[..., Any], call: str) -> Any:
    """Return what ``function`` has returned.

    Raises:
        TypeError: a coroutine or an asynchronous generator.
    """
    if is_left_over(result):
        raise refusal(call, function, result)
    return result
