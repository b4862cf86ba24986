"""resty.lock: locks in a shared dictionary, with the pauses and words of lua-resty-lock."""

from __future__ import annotations

import pytest

from tests.lua.pieces import Pieces

# As much of a shared dictionary as the locks use; a value is true, and gone when its time is over.
DICT = """
    local dict = {until_s = {}}
    local function is_there(key) return dict.until_s[key] and dict.until_s[key] > ngx.now() end
    local function end_of(exptime) return exptime > 0 and ngx.now() + exptime or math.huge end
    function dict:add(key, value, exptime)
        if self.fails then return nil, "no memory" end
        if is_there(key) then return false, "exists", false end
        self.until_s[key] = end_of(exptime)
        return true, nil, false
    end
    function dict:replace(key, value, exptime)
        if not is_there(key) then return false, "not found", false end
        self.until_s[key] = end_of(exptime)
        return true, nil, false
    end
    function dict:delete(key)
        if self.fails then return nil, "no memory" end
        self.until_s[key] = nil
        return true
    end
    ngx.shared.locks = dict
    lock = require "resty.lock"
"""


@pytest.fixture
def lua() -> Pieces:
    lua = Pieces()
    lua.run(DICT)
    return lua


def test_a_free_lock_is_taken_at_once_and_given_back(lua: Pieces) -> None:
    code = """
        local one = lock:new("locks")
        local elapsed, unlocked = one:lock("key"), one:unlock()
        return elapsed, unlocked, one:lock("key"), one:unlock()
    """
    assert lua.run(code) == (0, 1, 0, 1)


def test_a_dictionary_that_is_not_there_has_a_word(lua: Pieces) -> None:
    assert lua.run('return lock:new("others")') == (None, b"dictionary not found")


def test_what_an_object_cannot_do_now_has_a_word(lua: Pieces) -> None:
    code = """
        local one = lock:new("locks")
        local words = {select(2, one:lock(nil)), select(2, one:unlock()), select(2, one:expire())}
        one:lock("key")
        words[4] = select(2, one:lock("other"))
        return table.concat(words, ", ")
    """
    assert lua.run(code) == b"nil key, unlocked, unlocked, locked"


def test_waiting_pauses_longer_each_time_until_the_timeout(lua: Pieces) -> None:
    code = """
        lock:new("locks"):lock("key")
        holder = lock:new("locks", {exptime = 0})
        holder:lock("held")
        local elapsed, err = lock:new("locks", {timeout = 0.1, max_step = 0.03}):lock("held")
        return elapsed, err, table.concat(core_of_tests.slept, " ")
    """
    elapsed, word, pauses = lua.run(code)
    assert (elapsed, word) == (None, b"timeout")
    assert [round(float(pause), 9) for pause in pauses.split()] == [
        0.001,
        0.002,
        0.004,
        0.008,
        0.016,
        0.03,
        0.03,
        0.009,
    ]


def test_a_lock_that_becomes_free_is_taken_and_tells_the_pauses(lua: Pieces) -> None:
    code = """
        local holder, waiter = lock:new("locks"), lock:new("locks", {step = 0.01, ratio = 3})
        holder:lock("key")
        local pauses = 0
        core_of_tests.after_sleep = function()
            pauses = pauses + 1
            if pauses == 3 then holder:unlock() end
        end
        local elapsed, err = waiter:lock("key")
        return math.floor(elapsed * 1e6 + 0.5), err, waiter:unlock()
    """
    assert lua.run(code) == (130000, None, 1)


def test_no_timeout_means_one_try(lua: Pieces) -> None:
    code = """
        holder = lock:new("locks")
        holder:lock("key")
        local elapsed, err = lock:new("locks", {timeout = 0}):lock("key")
        return elapsed, err, #core_of_tests.slept
    """
    assert lua.run(code) == (None, b"timeout", 0)


@pytest.mark.parametrize("options", ["{step = 0}", "{step = 0, timeout = 0.01}", "{timeout = 0.01, step = 1}"])
def test_any_step_comes_to_an_end(lua: Pieces, options: str) -> None:
    code = f"""
        holder = lock:new("locks", {{exptime = 100}})
        holder:lock("key")
        return lock:new("locks", {options}):lock("key")
    """
    assert lua.run(code) == (None, b"timeout")


def test_the_timeout_is_no_longer_than_the_time_of_the_lock(lua: Pieces) -> None:
    assert lua.run('return lock:new("locks", {timeout = 60, exptime = 2}).timeout') == 2


def test_an_expired_lock_can_be_taken_by_another(lua: Pieces) -> None:
    code = """
        holder = lock:new("locks", {exptime = 0.1})
        holder:lock("key")
        local other = lock:new("locks", {timeout = 1, max_step = 0.05, exptime = 10})
        return other:lock("key") > 0.1, other:unlock()
    """
    assert lua.run(code) == (True, 1)


def test_expire_lets_the_lock_go_on(lua: Pieces) -> None:
    code = """
        local one, other = lock:new("locks", {timeout = 0, exptime = 0.1}), lock:new("locks", {timeout = 0})
        one:lock("key")
        ngx.sleep(0.06)
        local first = one:expire()
        ngx.sleep(0.06)
        local held = select(2, other:lock("key"))
        local second = one:expire(0.2)
        ngx.sleep(0.15)
        local still_held = select(2, other:lock("key"))
        ngx.sleep(0.1)
        return first, held, second, still_held, other:lock("key"), one:expire()
    """
    assert lua.run(code) == (True, b"timeout", True, b"timeout", 0, True)


def test_expire_of_a_lock_that_is_gone_has_the_dictionarys_word(lua: Pieces) -> None:
    code = """
        local one = lock:new("locks", {exptime = 0.1})
        one:lock("key")
        ngx.sleep(1)
        return one:expire()
    """
    assert lua.run(code) == (None, b"not found")


def test_the_dictionarys_errors_are_passed_on(lua: Pieces) -> None:
    code = """
        local one, other = lock:new("locks"), lock:new("locks")
        one:lock("key")
        ngx.shared.locks.fails = true
        local unlocked, word = one:unlock()
        local locked, other_word = other:lock("other")
        ngx.shared.locks.fails = false
        return unlocked, word, locked, other_word, one:unlock()
    """
    assert lua.run(code) == (None, b"no memory", None, b"no memory", 1)


def test_a_collected_object_gives_its_lock_up(lua: Pieces) -> None:
    code = """
        for _ = 1, 3 do
            collectgarbage()
            assert(lock:new("locks", {timeout = 0}):lock("key") == 0)
        end
        return #core_of_tests.slept
    """
    assert lua.run(code) == 0


def test_a_collected_object_takes_no_lock_away_from_who_got_it_since(lua: Pieces) -> None:
    code = """
        lock:new("locks", {exptime = 1}):lock("key")
        ngx.sleep(2)
        local second = ngx.shared.locks:add("key", true, 30) -- by another runtime, say
        collectgarbage() collectgarbage()
        local elapsed, err = lock:new("locks", {timeout = 0}):lock("key")
        return second, elapsed, err
    """
    assert lua.run(code) == (True, None, b"timeout")


def test_a_lock_that_cannot_be_given_up_is_logged(lua: Pieces) -> None:
    code = """
        ngx.log = function(level, ...) logged = level .. ": " .. table.concat({...}) end
        lock:new("locks"):lock("key")
        collectgarbage() collectgarbage()
        ngx.shared.locks.fails = true
        lock:new("locks"):lock("other")
        return logged
    """
    assert lua.run(code) == b'4: failed to delete key "key": no memory'
