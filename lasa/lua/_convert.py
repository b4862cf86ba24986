"""Values between Python and Lua: strings are bytes, containers are copied, functions may wait on both sides.

A container that is in another one twice, or in itself, is so in the copy, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from lasa._channel import Channel
from lasa.lua._driver import Values

if TYPE_CHECKING:
    from lasa.lua.runtime import Runtime

__all__ = ["Converter"]

MAX_DEPTH: Final = 200

_LARGEST: Final = 2**63 - 1  # that lupa takes for an integer; Lua has the nearest float of it all the same


class Converter:
    """The conversions of one runtime.

    Args:
        runtime: a weak proxy, since Lua holds the functions that are made here.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._identity: Callable[[Any], tuple[bytes, Any]] = runtime.core.identity
        self._is_null: Callable[[Any], bool] = runtime.core.is_null

    # -- to Lua

    def to_lua(self, value: Any) -> Any:
        """Return ``value`` as lupa may hand it to Lua.

        Raises:
            TypeError: something else than strings, numbers, booleans, None, lists, tuples, mappings, callables and
            channels, or something else than the first three as a key.
            ValueError: nested too deeply.
        """
        kind = type(value)
        if value is None or kind is bytes or kind is bool or kind is float:
            return value
        return self._to_lua(value, {}, 0)

    def _to_lua(self, value: Any, known: dict[int, Any], depth: int) -> Any:
        if value is None or isinstance(value, bool | float | bytes):
            return value
        if isinstance(value, int):
            return int(value) if -_LARGEST <= value <= _LARGEST else float(value)
        if isinstance(value, str):
            return value.encode("utf-8", "surrogateescape")
        if isinstance(value, bytearray | memoryview):
            return bytes(value)
        if isinstance(value, Mapping | list | tuple):
            found = known.get(id(value))
            return self._table_of(value, known, depth + 1) if found is None else found
        if callable(value):
            return self._runtime.lua_function(value)
        if isinstance(value, Channel):
            return self._runtime.lua_channel(value)
        raise TypeError(f"Lua has no form for {type(value).__name__}")

    def _table_of(self, value: Any, known: dict[int, Any], depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ValueError(f"nested too deeply for a Lua table, more than {MAX_DEPTH} levels")
        lua = self._runtime.lua
        into = self._to_lua
        if isinstance(value, Mapping):
            if not any(isinstance(item, Mapping | list | tuple) for item in value.values()):
                table = lua.table_from({_key(key): into(item, known, depth) for key, item in value.items()})
                known[id(value)] = table
                return table
            table = known[id(value)] = lua.table()
            for key, item in value.items():
                table[_key(key)] = into(item, known, depth)
        else:
            if not any(isinstance(item, Mapping | list | tuple) for item in value):
                table = known[id(value)] = lua.table_from([into(item, known, depth) for item in value])
                return table
            table = known[id(value)] = lua.table()
            for index, item in enumerate(value, 1):
                table[index] = into(item, known, depth)
        return table

    # -- to Python

    def to_python(self, value: Any, context: int | None = None, *, is_lenient: bool = False) -> Any:
        """Return a value of Lua's for Python: a table is copied, as a list if its keys are 1 to n, else as a dict.

        Args:
            context: the number of the one that a function among them runs for, None for the runtime's default.
            is_lenient: None for what Python has no form for, instead of the exceptions.
        Raises:
            TypeError: a coroutine, cdata or userdata; ngx.null is None.
            ValueError: nested too deeply.
        """
        if self._runtime.kind_of(value) is None:
            return value
        return self._to_python(value, context, {}, 0, is_lenient)

    def _to_python(self, value: Any, context: int | None, known: dict[bytes, Any], depth: int, is_lenient: bool) -> Any:
        kind = self._runtime.kind_of(value)
        if kind is None:
            return value
        if kind in ("table", "function"):
            if type(value).__name__ == "_LuaCoroutineFunction":  # what lupa makes of a coroutine that has not begun
                kind = "thread"
            else:
                return self._object_of(value, kind, context, known, depth, is_lenient)
        if is_lenient or self._is_null(value):
            return None
        raise TypeError(f"Python has no form for a Lua {kind}")

    def _object_of(
        self, value: Any, kind: str, context: int | None, known: dict[bytes, Any], depth: int, is_lenient: bool
    ) -> Any:
        address, original = self._identity(value)
        if original is not None:
            return original
        if kind == "function":
            return self._runtime.function(value, context)
        if address in known:
            return known[address]
        if depth >= MAX_DEPTH:
            if is_lenient:
                return None
            raise ValueError(f"a Lua table is nested too deeply, more than {MAX_DEPTH} levels")
        items = list(value.items())
        if items and all(type(key) is int and key == index for index, (key, _) in enumerate(items, 1)):
            array: list[Any] = []
            known[address] = array
            array.extend([self._to_python(item, context, known, depth + 1, is_lenient) for _, item in items])
            return array
        copy: dict[Any, Any] = {}
        known[address] = copy
        for key, item in items:
            kind_of_key = self._runtime.kind_of(key)
            if kind_of_key is None:
                copy[key] = self._to_python(item, context, known, depth + 1, is_lenient)
            elif not is_lenient:
                raise TypeError(f"Python has no form for a Lua {kind_of_key} as a key")
        return copy

    def called_by_lua(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what core.python_function() has Python call."""

        def call(context: int, *arguments: Any) -> Values:
            values = function(*[self.to_python(argument, context) for argument in arguments])
            if isinstance(values, tuple):
                return Values(*[self.to_lua(value) for value in values])
            return Values(self.to_lua(values))

        return call


def _key(key: Any) -> Any:
    if isinstance(key, str):
        return key.encode("utf-8", "surrogateescape")
    if isinstance(key, bytes | int) or (isinstance(key, float) and key == key):
        return key
    raise TypeError(f"Lua has no form for {'nan' if key != key else type(key).__name__} as a key")
