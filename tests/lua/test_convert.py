"""Values on their way between Python and Lua."""

from __future__ import annotations

import enum
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lasa
from lasa.lua import LuaFunction, Runtime, Settings


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with Runtime(settings=Settings()) as made:
        yield made


@pytest.fixture(scope="module")
def back(runtime: Runtime) -> Callable[[Any], Any]:
    """Send a value to Lua and back."""
    return runtime.load("return ...")


class Colour(enum.IntEnum):
    RED = 3


class Word(str):
    __slots__ = ()


# -- to Lua


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "nil", "nil"),
        (True, "boolean", "true"),
        (7, "number", "7"),
        (Colour.RED, "number", "3"),
        (2**53, "number", "9.007199254741e+15"),
        (2**63 - 1, "number", "9.2233720368548e+18"),
        (10**30, "number", "1e+30"),
        (-(10**30), "number", "-1e+30"),
        (1.5, "number", "1.5"),
        (math.inf, "number", "inf"),
        (b"a\0\xff", "string", "a\0\xff"),
        ("ä", "string", "\xc3\xa4"),
        ("\udcff", "string", "\xff"),
        (Word("w"), "string", "w"),
        (bytearray(b"b"), "string", "b"),
        (memoryview(b"m"), "string", "m"),
    ],
)
def test_a_plain_value_is_what_it_is(runtime: Runtime, value: Any, kind: str, text: str) -> None:
    found = runtime.load("local v = ... return type(v), tostring(v)")(value)
    assert found == (kind.encode(), text.encode("latin-1"))


def test_nan_stays_nan(back: Callable[[Any], Any]) -> None:
    assert math.isnan(back(math.nan))


@pytest.mark.parametrize(
    "value", [{"a": 1}, OrderedDict(a=1), MappingProxyType({"a": 1})], ids=lambda value: type(value).__name__
)
def test_a_mapping_is_a_table(back: Callable[[Any], Any], value: Any) -> None:
    assert back(value) == {b"a": 1}


def test_lists_and_tuples_are_arrays(runtime: Runtime) -> None:
    code = "local a, b = ... return #a, a[1], a[2], #b, b[1], b[2][1]"
    assert runtime.load(code)(["x", 2], ("y", ["z"])) == (2, b"x", 2, 2, b"y", b"z")


def test_none_in_a_list_is_a_hole_and_in_a_mapping_no_entry(runtime: Runtime) -> None:
    code = "local a, d = ... return a[1], a[2], a[3], next(d)"
    assert runtime.load(code)([1, None, 3], {"gone": None}) == (1, None, 3, None)


def test_keys_may_be_numbers_and_booleans(back: Callable[[Any], Any]) -> None:
    assert back({1.5: "a", 7: "b", True: "c", "k": "d"}) == {1.5: b"a", 7: b"b", True: b"c", b"k": b"d"}


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (object(), "Lua has no form for object"),
        ({1, 2}, "Lua has no form for set"),
        ([object()], "Lua has no form for object"),
        (2j, "Lua has no form for complex"),
        ({(1, 2): 3}, "Lua has no form for tuple as a key"),
        ({None: 3}, "Lua has no form for NoneType as a key"),
        ({math.nan: 3}, "Lua has no form for nan as a key"),
        ({None: []}, "Lua has no form for NoneType as a key"),
    ],
)
def test_what_lua_has_no_form_for_is_refused(back: Callable[[Any], Any], value: Any, complaint: str) -> None:
    with pytest.raises(TypeError) as caught:
        back(value)
    assert str(caught.value) == complaint


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_nesting_has_a_limit(back: Callable[[Any], Any]) -> None:
    with pytest.raises(ValueError, match="nested too deeply for a Lua table"):
        back(nested(201))
    assert back(nested(200))


# -- to Python


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("nil", None),
        ("ngx.null", None),
        ("true", True),
        ("1", 1),
        ("2 ^ 31", 2**31),
        ("0.5", 0.5),
        ("'a\\0\\255'", b"a\0\xff"),
        ("{}", {}),
        ("{ 1, 2, 3 }", [1, 2, 3]),
        ("{ 1, nil, 3 }", {1: 1, 3: 3}),
        ("{ a = 1 }", {b"a": 1}),
        ("{ 1, a = 2 }", {1: 1, b"a": 2}),
        ("{ [0] = 1 }", {0: 1}),
        ("{ [true] = 1 }", {True: 1}),
        ("{ { {} } }", [[{}]]),
        ("{ ngx.null }", [None]),
    ],
)
def test_a_value_of_luas_comes_back(runtime: Runtime, code: str, value: Any) -> None:
    found = runtime.load(f"return {code}")()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("coroutine.create(print)", "Python has no form for a Lua thread"),
        ("coroutine.create(function() end)", "Python has no form for a Lua thread"),
        ("1LL", "Python has no form for a Lua cdata"),
        ("io.stdout", "Python has no form for a Lua userdata"),
        ("{ 1LL }", "Python has no form for a Lua cdata"),
        ("{ [{}] = 1 }", "Python has no form for a Lua table as a key"),
    ],
)
def test_what_python_has_no_form_for_is_refused(runtime: Runtime, code: str, complaint: str) -> None:
    with pytest.raises(TypeError) as caught:
        runtime.load(f"return {code}")()
    assert str(caught.value) == complaint


def test_a_tables_nesting_has_a_limit(runtime: Runtime) -> None:
    make = "local t = {} for i = 2, ... do t = { t } end return t"
    with pytest.raises(ValueError, match="nested too deeply"):
        runtime.load(make)(201)
    assert runtime.load(make)(200)


def test_metatables_play_no_part(runtime: Runtime) -> None:
    code = "return setmetatable({ 1 }, { __index = { 1, 2, 3 }, __len = function() return 9 end, __tostring = 1 })"
    assert runtime.load(code)() == [1]


# -- both ways


def test_what_is_in_itself_is_so_in_the_copy(runtime: Runtime) -> None:
    array: list[Any] = [1]
    array.append(array)
    same, copy = runtime.load("local t = ... return t[2] == t, t")(array)
    assert same is True
    assert copy[1] is copy


def test_what_is_there_twice_is_copied_once(runtime: Runtime) -> None:
    part: list[Any] = [1]
    same, copy = runtime.load("local t = ... return t.a == t.b, t")({"a": part, "b": part})
    assert same is True
    assert copy[b"a"] is copy[b"b"]


def test_a_table_that_doubles_at_each_level_takes_no_time(runtime: Runtime) -> None:
    copy = runtime.load("local t = {} for i = 1, 150 do t = { t, t } end return t")()
    levels = 0
    while copy:
        assert copy[0] is copy[1]
        copy = copy[0]
        levels += 1
    assert levels == 150


def test_a_function_of_luas_is_itself_again(runtime: Runtime) -> None:
    function = runtime.load("f = function() end return f")()
    assert isinstance(function, LuaFunction)
    assert runtime.load("return ... == f")(function) is True


def test_a_function_of_pythons_is_itself_again(runtime: Runtime) -> None:
    assert runtime.load("local t = ... return type(t.f), t.f")({"f": len}) == (b"function", len)


def test_a_channel_is_itself_again(runtime: Runtime) -> None:
    channel = lasa.channel(3)
    found = runtime.load("local c = ... c:send({ 1, ngx.null, 'x' }) c:send(c) return c, type(c)")(channel)
    assert found == (channel, b"table")
    assert channel.receive(0) == ([1, None, b"x"], None)
    assert channel.receive(0)[0] is channel


def test_values_are_copies(runtime: Runtime) -> None:
    given = {"list": [1]}
    runtime.load("local t = ... t.list[1] = 2 t.new = 3")(given)
    assert given == {"list": [1]}


PLAIN = st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), st.binary())
KEYS = st.one_of(st.binary(), st.integers(-100, 100))


def as_it_comes_back(value: Any) -> Any:
    """What Lua makes of a value: a whole float is an int, a list and a dict with the keys 1 to n are the same."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, list):
        return [as_it_comes_back(item) for item in value] or {}
    if isinstance(value, dict):
        if value and sorted(value, key=str) and set(value) == set(range(1, len(value) + 1)):
            return [as_it_comes_back(value[index]) for index in range(1, len(value) + 1)]
        return {key: as_it_comes_back(item) for key, item in value.items()}
    return value


@settings(max_examples=60, deadline=None)
@given(st.recursive(PLAIN, lambda inner: st.one_of(st.lists(inner), st.dictionaries(KEYS, inner)), max_leaves=20))
def test_any_value_comes_back_as_it_went(back: Callable[[Any], Any], value: Any) -> None:
    assert back(value) == as_it_comes_back(value)
