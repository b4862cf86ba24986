from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lasa import thread
from lasa._stream.pool import Pool, Pools, plan_idle
from lasa.errors import SocketError, SocketTimeout
from tests.helpers import settle
from tests.socket.tools import failure_of, result_of, spawn_blocked


@dataclass
class Fake:
    """A connection that is as good as the test says."""

    name: str = ""
    is_good: bool = True
    expires_at_s: float = 0.0
    events: list[str] = field(default_factory=list)

    def rest(self) -> None:
        self.events.append("rest")

    def revive(self) -> bool:
        self.events.append("revive")
        return self.is_good

    def close(self) -> None:
        self.events.append("close")


@pytest.fixture
def pools() -> Pools[Fake]:
    return Pools[Fake]()


def full_pool(pools: Pools[Fake], size: int, backlog: int | None = None) -> Pool[Fake]:
    pool = pools.find_or_make("name", size, backlog)
    for _ in range(size):
        assert pool.enter(1.0) is None
    return pool


# The plan


@given(st.lists(st.floats(0, 10)), st.floats(0, 10), st.integers(0, 12))
def test_the_plan_loses_nothing_and_keeps_the_latest_within_the_limit(
    expiries: list[float], now_s: float, limit: int
) -> None:
    idle = [Fake(str(index), expires_at_s=at_s) for index, at_s in enumerate(expiries)]
    keep, close = plan_idle(idle, now_s, limit)
    assert sorted(map(id, keep + close)) == sorted(map(id, idle))
    assert len(keep) <= limit
    assert all(entry.expires_at_s > now_s for entry in keep)
    fresh = [entry for entry in idle if entry.expires_at_s > now_s]
    assert keep == fresh[len(fresh) - len(keep) :]
    assert len(keep) == min(limit, len(fresh))


# Idle connections


def test_the_most_recently_parked_comes_first_and_a_dead_one_is_skipped(pools: Pools[Fake]) -> None:
    pool = full_pool(pools, 3)
    first, second, third = Fake("first"), Fake("second"), Fake("third", is_good=False)
    for connection in (first, second, third):
        pool.park(connection, 60)
    assert pool.take_idle() is second
    assert third.events == ["rest", "revive", "close"]
    assert pool.counted == 2


def test_a_full_pool_closes_the_least_recently_parked(pools: Pools[Fake]) -> None:
    pool = pools.find_or_make("name", 1)
    old, new = Fake("old"), Fake("new")
    for connection in (old, new):
        pool.enter(1.0)
        pool.park(connection, 60)
    assert old.events == ["rest", "close"]
    assert pool.take_idle() is new


def test_a_pool_is_forgotten_with_its_last_connection_and_a_new_one_has_a_new_size(pools: Pools[Fake]) -> None:
    pool = full_pool(pools, 1)
    assert pools.find_or_make("name", 7).size == 1
    pool.leave()
    assert pools.find("name") is None
    assert pools.find_or_make("name", 7).size == 7


def test_a_pool_whose_last_idle_connection_was_dead_is_found_again_after_the_next_connect(pools: Pools[Fake]) -> None:
    pool = full_pool(pools, 1)
    pool.park(Fake(is_good=False), 60)
    assert pool.take_idle() is None
    assert pool.enter(1.0) is None
    assert pools.find("name") is pool


def test_an_idle_connection_that_the_peer_ends_is_closed_and_not_counted(pools: Pools[Fake]) -> None:
    pool = full_pool(pools, 2)
    connection = Fake()
    pool.park(connection, 60)
    pool.drop(connection)
    assert connection.events == ["rest", "close"]
    assert (pool.counted, pool.idle) == (1, [])


def test_parking_for_no_time_at_all_beside_an_expired_one_keeps_none(pools: Pools[Fake]) -> None:
    pool = pools.find_or_make("name", 1)
    for timeout_s in (-1.0, -2.0):
        pool.enter(1.0)
        pool.park(Fake(), timeout_s)
    assert pool.take_idle() is None or pool.idle == []


# The queue


def test_waiters_are_served_first_in_first_out_once_the_one_who_left_yields(pools: Pools[Fake]) -> None:
    pool = full_pool(pools, 1, 5)
    served: list[int] = []

    def enter(number: int) -> None:
        assert pool.enter(1.0) is None
        served.append(number)

    workers = [spawn_blocked(enter, number) for number in range(3)]
    pool.leave()
    assert served == []
    settle()
    assert served == [0]
    for number in (1, 2):
        pool.leave()
        settle()
        assert served[-1] == number
    for worker in workers:
        result_of(worker)
    assert pool.counted == 1


def test_a_waiter_gets_the_very_connection_that_is_parked(pools: Pools[Fake]) -> None:
    pool = full_pool(pools, 1, 1)
    worker = spawn_blocked(pool.enter, 1.0)
    connection = Fake()
    pool.park(connection, 60)
    assert result_of(worker) == (connection,)
    assert pool.counted == 1


def test_a_waiter_whose_connection_dies_on_the_way_keeps_the_place(pools: Pools[Fake]) -> None:
    pool = full_pool(pools, 1, 1)
    worker = spawn_blocked(pool.enter, 1.0)
    connection = Fake(is_good=False)
    pool.park(connection, 60)
    assert result_of(worker) == (None,)
    assert connection.events[-1] == "close"
    assert pool.counted == 1


def test_a_queue_that_is_full_refuses_and_one_that_waits_too_long_leaves_it(pools: Pools[Fake]) -> None:
    pool = full_pool(pools, 1, 1)
    worker = spawn_blocked(pool.enter, 0.02)
    with pytest.raises(SocketError, match="too many waiting connect operations"):
        pool.enter(1.0)
    assert isinstance(failure_of(worker), SocketTimeout)
    late = spawn_blocked(pool.enter, 1.0)
    pool.leave()
    assert result_of(late) == (None,)


@pytest.mark.parametrize(
    "serve", [lambda pool: pool.leave(), lambda pool: pool.park(Fake(), 60)], ids=["place", "idle"]
)
def test_a_waiter_killed_after_its_grant_passes_it_on(pools: Pools[Fake], serve: Callable[[Pool[Any]], None]) -> None:
    pool = full_pool(pools, 1, 5)
    first, second = spawn_blocked(pool.enter, 1.0), spawn_blocked(pool.enter, 1.0)
    serve(pool)
    assert thread.kill(first) == (1, None)
    result_of(second)
    assert pool.counted == 1


def test_a_waiter_killed_in_the_queue_only_leaves_it(pools: Pools[Fake]) -> None:
    pool = full_pool(pools, 1, 5)
    first, second = spawn_blocked(pool.enter, 1.0), spawn_blocked(pool.enter, 1.0)
    assert thread.kill(first) == (1, None)
    pool.leave()
    assert result_of(second) == (None,)
    pool.leave()
    assert pools.find("name") is None
