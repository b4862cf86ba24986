"""Shared dictionaries from Lua; the values are those that nginx gave."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest

from lasa.lua._api import dictionary
from tests.lua.bare import Bare

KIB = 1024


class Clock:
    """A clock that goes when a test says so."""

    def __init__(self) -> None:
        self.ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(dictionary, "_now_ms", clock)
    return clock


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], Bare]:
    """Declare a dictionary for this test alone; in the state that is returned, ``d`` is it."""
    monkeypatch.setattr(dictionary, "_declared", {})

    def declare(name: str, size: int) -> Bare:
        dictionary.declare(name, size)
        state = Bare("shared")
        state(f"d = ngx.shared.{name}")
        return state

    return declare


@pytest.fixture
def lua(declared: Callable[[str, int], Bare], clock: Clock) -> Bare:
    return declared("cats", 1024 * KIB)


def keys(lua: Bare, limit: int | None = None) -> list[bytes]:
    return list(lua(f"return d:get_keys({'' if limit is None else limit})").values())


# ---- one value of a key ----


@pytest.mark.parametrize(
    ("value", "found"),
    [("'x'", b"x"), ("''", b""), ("1", 1), ("1.5", 1.5), ("-1e300", -1e300), ("true", True), ("false", False)],
)
def test_set_stores_strings_numbers_and_booleans(lua: Bare, value: str, found: object) -> None:
    assert lua(f"return d:set('k', {value})") == (True, None, False)
    assert lua("return d:get('k')") == found
    assert lua("return d:get_stale('k')") == (found, None, False)


def test_flags_come_with_the_value_unless_they_are_0(lua: Bare) -> None:
    lua("d:set('k', 'v', 0, 5)")
    assert lua("return d:get('k')") == (b"v", 5)
    assert lua("return d:get_stale('k')") == (b"v", 5, False)
    assert lua("d:set('k', 'v', 0, -3.7) return d:get('k')") == (b"v", -3)
    assert lua("d:set('k', 'v', 0, 2 ^ 33) return d:get('k')") == (b"v", -(2**31))
    assert lua("d:set('k', 'v') return d:get('k')") == b"v"


def test_set_to_nil_and_delete_remove_a_key(lua: Bare) -> None:
    assert lua("d:set('k', 1) return d:set('k', nil)") == (True, None, False)
    assert lua("return d:get('k')") is None
    assert lua("d:set('k', 1) return d:delete('k')") == (True, None, False)
    assert lua("return d:get('k')") is None
    assert lua("return d:delete('k')") == (True, None, False)


def test_add_wants_no_key_and_replace_wants_one(lua: Bare) -> None:
    assert lua("return d:replace('k', 1)") == (False, b"not found", False)
    assert lua("return d:add('k', 1)") == (True, None, False)
    assert lua("return d:add('k', 2)") == (False, b"exists", False)
    assert lua("return d:safe_add('k', 2)") == (False, b"exists", False)
    assert lua("return d:replace('k', 'y')") == (True, None, False)
    assert lua("return d:get('k')") == b"y"
    for method in ("add", "safe_add", "replace"):
        expected = (False, b"attempt to add or replace nil values", False)
        assert lua(f"return d:{method}('k', nil)") == expected


@pytest.mark.parametrize(
    "method", ["get", "get_stale", "set", "add", "replace", "delete", "incr", "ttl", "lpop", "llen"]
)
def test_a_key_is_neither_nil_nor_empty_nor_too_long(lua: Bare, method: str) -> None:
    more = {"set": ", 1", "add": ", 1", "replace": ", 1", "incr": ", 1"}.get(method, "")
    assert lua(f"return d:{method}(nil{more})") == (None, b"nil key")
    assert lua(f"return d:{method}(''{more})") == (None, b"empty key")
    assert lua(f"return d:{method}(('k'):rep(65536){more})") == (None, b"key too long")


def test_a_key_of_another_type_is_its_text(lua: Bare) -> None:
    lua("d:set(12, 34) d:set(true, 'yes')")
    assert lua("return d:get('12'), d:get(12), d:get('true')") == (34, 34, b"yes")


def test_values_of_other_types_are_refused(lua: Bare) -> None:
    assert lua("return d:set('k', {})") == (None, b"bad value type")
    assert lua("return d:lpush('k', true)") == (None, b"bad value type")


def test_incr_adds_to_numbers_only_and_makes_one_where_it_may(lua: Bare) -> None:
    assert lua("return d:incr('k', 1)") == (None, b"not found")
    assert lua("return d:incr('k', 1, 5)") == (6, None, False)
    assert lua("return d:incr('k', 2.5)") == 8.5
    assert lua("return d:incr('k', '1', '2')") == (9.5, None, False)
    assert lua("d:set('text', 'x') return d:incr('text', 1)") == (None, b"not a number")
    assert lua("d:set('flag', true) return d:incr('flag', 1)") == (None, b"not a number")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("d:set('k', 1, -1)", b'bad "exptime" argument'),
        ("d:expire('k')", b'bad "exptime" argument'),
        ("d.set({}, 'k', 1)", b'bad "zone" argument'),
        ("d.get('k')", b'bad "zone" argument'),
        ("d.lpush({1}, 'k', 1)", b'bad "zone" argument'),
        ("d:set('k', 1, 0, 'f')", b'bad "flags" argument'),
        ("d:incr('k', 'x')", b"bad value arg: number expected, got string"),
        ("d:incr('k', 1, 'x')", b"bad init arg: number expected, got string"),
        ("d:incr('k', 1, 1, 'x')", b"bad init_ttl arg: number expected, got string"),
        ("d:incr('k', 1, 1, -1)", b'bad "init_ttl" argument'),
        ("d:incr('k', 1, nil, 1)", b'must provide "init" when providing "init_ttl"'),
        ("d:lpush('k')", b"expecting 3 arguments, but only seen 2"),
        ("d:lpop('k', 1)", b"expecting 2 arguments, but only seen 3"),
        ("d:lpush({}, 1)", b"bad argument #1 to 'lpush' (string expected, got table)"),
        ("d.lpush(d, {}, 1)", b"bad argument #2 to 'lpush' (string expected, got table)"),
        ("d.get_keys()", b"expecting 1 or 2 argument(s), but saw 0"),
        ("d.get_keys({})", b"bad user data for the ngx_shm_zone_t pointer"),
        ("d:get_keys('x')", b"bad argument #1 to 'get_keys' (number expected, got string)"),
        ("d.flush_expired('x')", b"bad argument #1 to 'flush_expired' (table expected, got string)"),
    ],
)
def test_wrong_arguments_are_told_as_in_openresty(lua: Bare, call: str, message: bytes) -> None:
    assert lua.error_of(call) == b"x.lua:2: " + message


# ---- expiry ----


def test_a_value_is_gone_when_its_time_is_over_but_may_still_be_asked_for(lua: Bare, clock: Clock) -> None:
    lua("d:set('first', 1) d:set('k', 'v', 0.5, 7)")
    clock.ms += 499
    assert lua("return d:get('k')") == (b"v", 7)
    assert lua("return d:ttl('k'), d:ttl('first')") == (0.001, 0)
    clock.ms += 1
    assert lua("return d:get_stale('k')") == (b"v", 7, True)
    assert lua("return d:get('k')") is None
    clock.ms += 250
    assert lua("return d:ttl('k')") == -0.25
    assert lua("return d:incr('k', 1)") == (None, b"not found")
    assert lua("return d:add('k', 'new')") == (True, None, False)


def test_a_time_below_a_millisecond_is_no_limit(lua: Bare) -> None:
    assert lua("d:set('k', 1, 0.0001) return d:ttl('k')") == 0
    assert lua("d:set('k', 1, math.huge) return d:ttl('k')") == 0


def test_expire_sets_another_time(lua: Bare, clock: Clock) -> None:
    assert lua("return d:expire('k', 1)") == (None, b"not found")
    assert lua("return d:ttl('k')") == (None, b"not found")
    assert lua("d:set('k', 1) return d:expire('k', 100), d:ttl('k')") == (True, 100)
    clock.ms += 60_000
    assert lua("return d:ttl('k')") == 40
    assert lua("return d:expire('k', 0), d:ttl('k')") == (True, 0)


def test_the_time_of_incr_is_for_a_number_that_it_makes(lua: Bare) -> None:
    assert lua("d:incr('k', 1, 7, 10) return d:ttl('k')") == 10
    assert lua("d:incr('k', 1, 7, 99) return d:get('k'), d:ttl('k')") == (9, 10)


def test_each_call_clears_up_two_expired_keys_that_nobody_used_for_longest(lua: Bare, clock: Clock) -> None:
    lua("for i = 1, 3 do d:set(i, 'v', 1) end")
    clock.ms += 1000
    assert lua("d:get('x') return d:get_stale(1), d:get_stale(2), d:get_stale(3)") == (None, None, b"v", None, True)


def test_flush_all_lets_everything_expire(lua: Bare) -> None:
    lua("for i = 1, 9 do d:set(i, 'v') end")
    assert lua("return select('#', d:flush_all())") == 0
    assert keys(lua) == []
    assert lua("return d:get_stale(9)") == (b"v", None, True)
    assert lua("return d:flush_expired(2), d:flush_expired(), d:flush_expired(0)") == (2, 4, 0)  # three went at once
    assert lua("return d:get_stale(9)") is None


def test_get_keys_begins_with_the_key_unused_for_longest(lua: Bare, clock: Clock) -> None:
    lua("for i = 1, 5 do d:set('k' .. i, i) end d:get('k1') d:add('k3', 0) d:ttl('k2') d:set('k4', 4, 1)")
    clock.ms += 1000
    assert keys(lua) == [b"k2", b"k5", b"k1", b"k3"]
    assert keys(lua, 2) == [b"k2", b"k5"]


def test_get_keys_returns_1024_keys_unless_all_are_asked_for(lua: Bare) -> None:
    lua("for i = 1, 2000 do d:set(('x'):rep(i % 300 + 1) .. i, i) end")
    assert (len(keys(lua)), len(set(keys(lua, 0))), len(keys(lua, -1))) == (1024, 2000, 2000)


# ---- lists ----


def test_a_list_is_pushed_and_popped_at_both_ends(lua: Bare) -> None:
    assert lua("return d:lpush('l', 'a'), d:lpush('l', 1), d:rpush('l', 'z'), d:llen('l')") == (1, 2, 3, 3)
    assert lua("return d:lpop('l'), d:rpop('l'), d:rpop('l'), d:rpop('l'), d:llen('l')") == (1, b"z", b"a", None, 0)
    assert keys(lua) == []


def test_a_list_is_no_value_and_a_value_no_list(lua: Bare) -> None:
    lua("d:lpush('l', 1) d:set('v', 1)")
    assert lua("return d:get('l')") == (None, b"value is a list")
    assert lua("return d:get_stale('l')") == (None, b"value is a list")
    assert lua("return d:incr('l', 1)") == (None, b"not a number")
    for call in ("lpush('v', 1)", "rpush('v', 1)", "lpop('v')", "rpop('v')", "llen('v')"):
        assert lua(f"return d:{call}") == (None, b"value not a list")
    assert lua("return d:add('l', 1)") == (False, b"exists", False)
    assert lua("d:replace('l', 'x') return d:get('l')") == b"x"


@pytest.mark.parametrize("value", ["d:lpush('k', 'old')", "d:set('k', 'old')"])
def test_a_push_to_an_expired_key_begins_a_list(lua: Bare, clock: Clock, value: str) -> None:
    lua(f"d:set('first', 1) {value} d:expire('k', 1)")
    clock.ms += 1000
    assert lua("return d:rpush('k', 'new'), d:ttl('k'), d:lpop('k'), d:llen('k')") == (1, 0, b"new", 0)


# ---- memory ----


@pytest.mark.parametrize(
    ("size", "free"), [(1024 * KIB, 1032192), (900 * KIB, 905216), (100 * KIB, 90112), (12 * KIB, 0)]
)
def test_free_space_is_what_nginx_has_left_of_the_capacity(
    declared: Callable[[str, int], Bare], size: int, free: int
) -> None:
    assert declared("cats", size)("return d:capacity(), d:free_space()") == (size, free)


@pytest.mark.parametrize(("length", "count"), [(1, 735), (61, 352), (500, 88), (1000, 44), (3000, 22), (9000, 7)])
def test_as_many_values_fit_as_in_nginx(declared: Callable[[str, int], Bare], length: int, count: int) -> None:
    lua = declared("dogs", 100 * KIB)
    fill = """
        local method, length = ...
        for i = 1, 1e6 do
            local ok, err, forcible = d[method](d, ("key%05d"):format(i), ("x"):rep(length))
            if forcible or not ok then return i - 1, ok, err, forcible, #d:get_keys(0) end
        end
    """
    assert lua(fill, b"safe_set", length) == (count, False, b"no memory", False, count)
    lua("d:flush_all() d:flush_expired()")
    assert lua("return d:free_space()") == 90112
    assert lua(fill, b"set", length) == (count, True, None, True, count)
    assert lua("return d:get('key00001')") is None


def test_as_many_items_of_a_list_fit_as_in_nginx(declared: Callable[[str, int], Bare]) -> None:
    lua = declared("dogs", 100 * KIB)
    push = "for i = 1, 1e6 do local n, err = d:lpush('l', i) if not n then return i - 1, n, err end end"
    assert lua(push) == (2920, None, b"no memory")
    assert lua("d:delete('l') return d:free_space()") == 90112


def test_a_value_that_never_fits_has_evicted_the_rest_in_vain(lua: Bare) -> None:
    lua("for i = 1, 9 do d:set(i, i) end")
    assert lua("return d:safe_set('big', ('x'):rep(2 ^ 21))") == (False, b"no memory", False)
    assert len(keys(lua)) == 9
    assert lua("return d:set('big', ('x'):rep(2 ^ 21))") == (False, b"no memory", True)
    assert keys(lua) == []


def test_eviction_takes_what_was_not_used_for_longest(declared: Callable[[str, int], Bare]) -> None:
    lua = declared("dogs", 100 * KIB)
    lua("for i = 1, 735 do d:set(i, 'v') end d:get(1)")
    assert lua("return d:set('one more', 'v')") == (True, None, True)
    assert lua("return d:get(1), d:get(2), d:get(3)") == (b"v", None, b"v")


# ---- declaring, and sharing ----


def test_shared_has_what_was_declared_and_nothing_else(declared: Callable[[str, int], Bare]) -> None:
    dictionary.declare("birds", 8 * KIB)
    lua = declared("cats", 8 * KIB)
    assert lua("return ngx.shared.dogs") is None
    code = "local n = {} for k in pairs(ngx.shared) do n[#n + 1] = k end table.sort(n) return unpack(n)"
    assert lua(code) == (b"birds", b"cats")
    assert Bare("shared")("return getmetatable(ngx.shared.cats) == getmetatable(ngx.shared.birds)")


def test_no_dictionary_is_declared_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dictionary, "_declared", {})
    assert Bare("shared")("return next(ngx.shared)") is None


def test_a_dictionary_stays_when_it_is_declared_again(declared: Callable[[str, int], Bare]) -> None:
    declared("cats", 8 * KIB)("d:set('k', 'v')")
    assert declared("cats", 8 * KIB)("return d:get('k')") == b"v"
    with pytest.raises(ValueError, match='"cats" is already declared with 8192 bytes'):
        dictionary.declare("cats", 16 * KIB)
    with pytest.raises(ValueError, match='invalid size of the shared dictionary "dogs": 8191, at least 8192 expected'):
        dictionary.declare("dogs", 8191)


def test_os_threads_with_runtimes_of_their_own_see_one_dictionary(declared: Callable[[str, int], Bare]) -> None:
    results: list[Any] = []
    states = [declared("cats", 1024 * KIB) for _ in range(4)]

    def count(state: Bare) -> None:
        state("for i = 1, 1000 do d:incr('n', 1, 0) d:lpush('l', i) d:set(i, i) end")
        results.append(True)

    threads = [Thread(target=count, args=(state,)) for state in states]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [True] * 4
    assert states[0]("return d:get('n'), d:llen('l')") == (4000, 4000)


def test_the_lock_stays_one_of_the_system_when_gevent_patches_the_others() -> None:
    code = """
        from lasa import _hub
        _hub.patch_all()
        import threading
        from lasa.lua._api.dictionary import Dictionary
        lock = type(Dictionary("d", 65536)._mutex)
        print(lock.__module__, lock is type(threading.Lock()))
    """
    program = "\n".join(line.strip() for line in code.splitlines())
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("_thread False\n", "")
