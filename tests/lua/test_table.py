"""The functions of OpenResty's LuaJIT that plain LuaJIT does not have."""

from __future__ import annotations

import pytest

from tests.lua.bare import Bare

lua = Bare()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("isempty {}", True),
        ("isempty {nil, dog = nil}", True),
        ("isempty {nil, 3}", False),
        ("isempty {cat = 3}", False),
        ("isarray {}", True),
        ("isarray {'a', true, 3.14}", True),
        ("isarray {[-1] = 1, [7] = 2}", True),
        ("isarray {1, [1.5] = 2}", False),
        ("isarray {1, dog = 3}", False),
        ("nkeys {}", 0),
        ("nkeys {'a', nil, 'b'}", 2),
        ("nkeys {'a', dog = 3, cat = 4, bird = nil}", 3),
    ],
)
def test_a_table_is_asked(call: str, expected: object) -> None:
    name = call.partition(" ")[0]
    assert lua(f"return (require 'table.{name}')({call.removeprefix(name)})") == expected


def test_clone_copies_one_level_without_the_metatable() -> None:
    code = """
        local clone = require "table.clone"
        local inner = {}
        local t = setmetatable({1, 2, x = inner}, {__index = function() return "default" end})
        local copy = clone(t)
        t[1] = "changed"
        return copy[1], copy[2], copy.x == inner, copy.y == nil, getmetatable(copy) == nil
    """
    assert lua(code) == (1, 2, True, True, True)


@pytest.mark.parametrize("name", ["clone", "isarray", "isempty", "nkeys"])
def test_only_tables_are_taken_and_the_function_is_in_table_too(name: str) -> None:
    lua(f"{name} = require 'table.{name}'")
    message = f"x.lua:2: bad argument #1 to '{name}' (table expected, got string)"
    assert lua.error_of(f"{name}('x')") == message.encode()
    assert lua(f"return table.{name} == {name}")


def test_luajit_itself_has_new_and_clear() -> None:
    assert lua("local t = require('table.new')(4, 4) t.x = 1 require('table.clear')(t) return next(t)") is None
