"""resty.lrucache and resty.lrucache.pureffi: the least recently used key goes first, as in lua-resty-lrucache."""

from __future__ import annotations

from collections import OrderedDict
from random import Random

import pytest

from tests.lua.pieces import Pieces


@pytest.fixture(params=["resty.lrucache", "resty.lrucache.pureffi"])
def cache(request: pytest.FixtureRequest) -> Pieces:
    lua = Pieces()
    lua.run(f'lrucache = require "{request.param}"')
    return lua


def test_a_full_cache_forgets_the_least_recently_used_key(cache: Pieces) -> None:
    code = """
        local c = lrucache.new(2)
        c:set("dog", 32)
        c:set("cat", 56)
        local dog = c:get("dog") -- so cat is the older now
        c:set("bird", 76)
        return dog, (c:get("dog")), (c:get("cat")), (c:get("bird"))
    """
    assert cache.run(code) == (32, 32, None, 76)


def test_setting_a_key_again_counts_as_use_and_replaces_value_time_and_flags(cache: Pieces) -> None:
    code = """
        local c = lrucache.new(2)
        c:set("dog", 1, 5, 7)
        c:set("cat", 2)
        c:set("dog", 3)
        c:set("bird", 4)
        ngx.sleep(10)
        local value, stale, flags = c:get("dog")
        return value, stale, flags, (c:get("cat")), c:count()
    """
    assert cache.run(code) == (3, None, 0, None, 2)


def test_an_expired_value_comes_second_and_is_still_counted(cache: Pieces) -> None:
    code = """
        local c = lrucache.new(1)
        c:set("dog", 32, 0.5, 9)
        ngx.sleep(0.5)
        local at_the_end = c:get("dog")
        ngx.sleep(0.01)
        local value, stale, flags = c:get("dog")
        return at_the_end, value, stale, flags, c:count()
    """
    assert cache.run(code) == (32, None, 32, 9, 1)


def test_an_expired_value_that_is_looked_up_counts_as_used(cache: Pieces) -> None:
    code = """
        local c = lrucache.new(2)
        c:set("old", 1, 1)
        c:set("new", 2)
        ngx.sleep(2)
        c:get("old")
        c:set("third", 3)
        return select(2, c:get("old")), (c:get("new"))
    """
    assert cache.run(code) == (1, None)


def test_false_is_a_value(cache: Pieces) -> None:
    code = """
        local c = lrucache.new(2)
        c:set("no", false)
        local value = c:get("no")
        local was_there = c:delete("no")
        return value, was_there, (c:get("no")), c:delete("no")
    """
    assert cache.run(code) == (False, True, None, False)


def test_deleted_places_are_taken_before_anything_is_forgotten(cache: Pieces) -> None:
    code = """
        local c = lrucache.new(3)
        for i = 1, 3 do c:set("k" .. i, i) end
        c:delete("k2")
        c:set("k4", 4)
        return (c:get("k1")), (c:get("k2")), (c:get("k3")), (c:get("k4")), c:count(), c:capacity()
    """
    assert cache.run(code) == (1, None, 3, 4, 3, 3)


def test_keys_come_most_recently_used_first(cache: Pieces) -> None:
    code = """
        local c = lrucache.new(10)
        for i = 1, 4 do c:set("k" .. i, i) end
        c:get("k2")
        local list = function(t) return table.concat(t, " ") end
        return list(c:get_keys()), list(c:get_keys(2)), list(c:get_keys(0)), list(c:get_keys(99)),
            #lrucache.new(1):get_keys()
    """
    assert cache.run(code) == (b"k2 k4 k3 k1", b"k2 k4", b"k2 k4 k3 k1", b"k2 k4 k3 k1", 0)


def test_keys_go_into_a_table_that_is_given_and_a_nil_ends_them(cache: Pieces) -> None:
    code = """
        local c = lrucache.new(10)
        c:set("one", 1)
        local given = {"a", "b", "c"}
        local same = c:get_keys(nil, given) == given
        return same, given[1], given[2], given[3]
    """
    assert cache.run(code) == (True, b"one", None, b"c")


def test_flush_all_leaves_an_empty_cache_of_the_same_size(cache: Pieces) -> None:
    code = """
        local c = lrucache.new(4)
        for i = 1, 5 do c:set("k" .. i, i) end
        c:flush_all()
        local count, value = c:count(), c:get("k5")
        for i = 1, 5 do c:set("k" .. i, i * 10) end
        return count, value, (c:get("k1")), (c:get("k2")), (c:get("k5")), c:count(), c:capacity()
    """
    assert cache.run(code) == (0, None, None, 20, 50, 4, 4)


@pytest.mark.parametrize(
    ("flags", "expected"), [("nil", 0), ("42", 42), ("-1", 0), ('"7"', 0), ("2^32 + 5", 5), ("1.7", 1)]
)
def test_flags_are_a_number_of_32_bits(cache: Pieces, flags: str, expected: int) -> None:
    code = f'local c = lrucache.new(1) c:set("k", 1, nil, {flags}) return select(3, c:get("k"))'
    assert cache.run(code) == expected


def test_a_cache_for_nothing_is_refused(cache: Pieces) -> None:
    assert cache.run("return lrucache.new(0)") == (None, b"size too small")


def test_any_value_may_be_a_key(cache: Pieces) -> None:
    code = """
        local c = lrucache.new(4)
        local one, other = {}, {}
        c:set(one, 1)
        c:set(other, 2)
        c:set(true, 3)
        c:set(1.5, 4)
        return (c:get(one)), (c:get(other)), (c:get(true)), (c:get(1.5)), c:delete(one), (c:get(one))
    """
    assert cache.run(code) == (1, 2, 3, 4, True, None)


def test_numbers_and_their_text_are_one_key_for_pureffi_alone() -> None:
    code = """
        local cache = require("MODULE").new(4)
        cache:set(1, "number")
        cache:set("1", "text")
        return (cache:get(1)), cache:count(), type(cache:get_keys(1)[1])
    """
    lua = Pieces()
    assert lua.run(code.replace("MODULE", "resty.lrucache")) == (b"number", 2, b"number")
    assert lua.run(code.replace("MODULE", "resty.lrucache.pureffi")) == (b"text", 1, b"string")


@pytest.mark.parametrize("key", ["nil", "0/0"])
def test_a_key_that_no_table_takes_is_the_callers_error_and_costs_no_place(key: str) -> None:
    code = f"""
        local c = require("resty.lrucache").new(1)
        c:set("k", 1)
        local ok, err = pcall(function() c:set({key}, 2) end)
        return ok, err, (c:get("k")), c:count()
    """
    ok, message, value, count = Pieces().run(code)
    assert (ok, value, count) == (False, 1, 1)
    assert message.startswith(b"test:4: a key cannot be ")


def test_any_course_of_calls_leaves_what_an_ordered_dictionary_has(cache: Pieces) -> None:
    calls = Random(5)
    model: OrderedDict[str, int] = OrderedDict()
    cache.run("c = lrucache.new(8)")
    for number in range(2000):
        key = f"k{calls.randrange(20)}"
        match calls.choice(["set", "set", "get", "get", "delete"]):
            case "set":
                cache.run(f'c:set("{key}", {number})')
                model[key] = number
                model.move_to_end(key, last=False)
                if len(model) > 8:
                    model.popitem()
            case "get":
                assert cache.run(f'return (c:get("{key}"))') == model.get(key)
                if key in model:
                    model.move_to_end(key, last=False)
            case "delete":
                assert cache.run(f'return c:delete("{key}")') == (model.pop(key, None) is not None)
    assert cache.run('return table.concat(c:get_keys(), " "), c:count()') == (" ".join(model).encode(), len(model))
