"""Connections that wait to be used again, and those who wait for one. Knows no sockets.

A pool is counted in connections: those in use and those idle. It is born at the first connect that names its size or
its backlog, or at the first setkeepalive, and forgotten when its last connection is gone. Both numbers are the pool's
own for as long as it lives: what later calls say is ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Literal, Protocol, TypeVar

from lasa import _hub, _process
from lasa.errors import PoolFull, SocketTimeout

__all__ = ["DEFAULT_SIZE", "Pool", "Pools", "plan_idle"]

DEFAULT_SIZE = 30
FOREVER_S = float("inf")


class Poolable(Protocol):
    """What a pool keeps.

    Attributes:
        expires_at_s: until when, as clock.monotonic_s() has it.
    """

    expires_at_s: float

    def rest(self) -> None:
        """Begin to watch for the peer: closing or sending ends an idle connection. Never switches."""

    def revive(self) -> bool:
        """End the watching; whether the connection is still good. Never switches."""

    def close(self) -> None:
        """Close it. Never switches."""


ConnectionT = TypeVar("ConnectionT", bound=Poolable)


def plan_idle(idle: list[ConnectionT], now_s: float, limit: int) -> tuple[list[ConnectionT], list[ConnectionT]]:
    """Split idle connections, the longest parked first, into (keep, close); closes none itself."""
    expired = [connection for connection in idle if connection.expires_at_s <= now_s]
    fresh = [connection for connection in idle if connection.expires_at_s > now_s]
    surplus = max(0, len(fresh) - limit)
    return fresh[surplus:], expired + fresh[:surplus]


class Pool(Generic[ConnectionT]):
    """The connections of one name.

    Attributes:
        size: how many may be idle; with a backlog, how many may be open.
        backlog: how many connects may wait while ``size`` connections are open; None lets all of them connect.
        counted: connections in use and idle.
    """

    def __init__(self, pools: Pools[ConnectionT], name: str, size: int, backlog: int | None) -> None:
        self.name = name
        self.size = size
        self.backlog = backlog
        self.counted = 0
        self.idle: list[ConnectionT] = []
        self._pools = pools
        self._queue: _hub.WaitQueue[ConnectionT] = _hub.WaitQueue()  # for a place, or a connection that will do
        self._alarm: _hub.Alarm | None = None  # of the first that expires
        self._alarm_at_s = FOREVER_S

    @property
    def is_full(self) -> bool:
        """Whether there is no place for a further connection."""
        return self.backlog is not None and self.counted >= self.size

    def take_idle(self, accepts: Callable[[ConnectionT], bool] | None = None) -> ConnectionT | None:
        """Return the most recently parked connection that is still good, or None. Never switches.

        Args:
            accepts: tells which connections will do (None: all); others stay, as if they were not idle.
        """
        index = len(self.idle)
        while index:
            index -= 1
            connection = self.idle[index]
            if accepts is not None and not accepts(connection):
                continue
            del self.idle[index]
            if connection.revive():
                return connection
            connection.close()
            self.leave()
        return None

    def enter(self, timeout_s: float, accepts: Callable[[ConnectionT], bool] | None = None) -> ConnectionT | None:
        """Take a place for a new connection; returns an idle one instead if that comes first.

        Args:
            accepts: as of take_idle().
        Raises:
            PoolFull: "too many waiting connect operations". SocketTimeout.
        Switches: only when it has to wait.
        """
        if not self.is_full:
            self.counted += 1
            self._pools.remember(self)  # forgotten if take_idle() has just closed its last connection
            return None
        if len(self._queue.waiting) >= (self.backlog or 0):
            raise PoolFull("too many waiting connect operations")
        gift = self._queue.wait(timeout_s, accepts=accepts, give_back=self._take_back)
        if gift is None:
            raise SocketTimeout
        if gift is True:
            return None
        if not gift.revive():
            gift.close()
            return None  # the place is ours all the same
        return gift

    def leave(self) -> None:
        """Give a place back: a connection was closed, or none came about. Never switches."""
        self.counted -= 1
        if self._queue.waiting and self.counted < self.size:
            self.counted += 1
            self._queue.free += 1
            self._queue.serve()
        elif not self.counted and not self._queue.waiting:
            if self._alarm is not None:
                self._alarm.clear()
                self._alarm = None  # which knows the pool, so that only the collector could free both
            self._alarm_at_s = FOREVER_S
            self._pools.forget(self)

    def park(self, connection: ConnectionT, timeout_s: float) -> None:
        """Keep ``connection``, which is open, for ``timeout_s``, or hand it to the first who waits for such a one.

        Never switches.
        """
        connection.expires_at_s = _hub.clock.monotonic_s() + timeout_s
        if self._queue.waiting and self._queue.offer(connection):
            connection.rest()
            return
        self.idle.append(connection)
        connection.rest()
        if len(self.idle) > self.size:
            self._close_surplus()
        if connection.expires_at_s < self._alarm_at_s:
            self._set_alarm()

    def exchange(self, connection: ConnectionT, is_sound: bool) -> None:
        """Take a place for a new connection in exchange for ``connection``, which its user has no use for.

        If it is sound it is kept for what is left of its time, to be taken after all others; where that would be one
        connection too many, or its time is over, it is closed. Never switches.
        """
        if is_sound and connection.expires_at_s > _hub.clock.monotonic_s() and not self.is_full:
            self.counted += 1
            self.idle.insert(0, connection)
            connection.rest()
            if len(self.idle) > self.size:
                self._close_surplus()
            self._set_alarm()
        else:
            connection.close()

    def drop(self, connection: ConnectionT) -> None:
        """Close an idle connection whose peer closed or sent something. Never switches."""
        for index, idle in enumerate(self.idle):
            if idle is connection:
                del self.idle[index]
                connection.close()
                self.leave()
                return

    def forget_all(self) -> None:
        """Forget everything, in a child."""
        for connection in self.idle:
            connection.close()
        self.idle.clear()
        self.counted = 0
        self._alarm_at_s = FOREVER_S

    def _take_back(self, gift: ConnectionT | Literal[True]) -> None:
        # It is called again if a signal handler raises in it.
        if gift in self.idle:
            return
        if gift is not True:
            try:
                if gift.revive():
                    self.park(gift, gift.expires_at_s - _hub.clock.monotonic_s())
                    return
                gift.close()
            except BaseException:
                gift.close()  # should it be another's already, that one finds it closed
                raise
        self.leave()

    def _close_expired(self) -> None:
        self._alarm_at_s = FOREVER_S
        self._close_surplus()
        if self.idle:
            self._set_alarm()

    def _close_surplus(self) -> None:
        self.idle, gone = plan_idle(self.idle, _hub.clock.monotonic_s(), self.size)
        for connection in gone:
            connection.close()
        for _ in gone:
            self.leave()

    def _set_alarm(self) -> None:
        # Set for the first to expire; one that is taken before leaves the alarm as it is.
        first_s = min((connection.expires_at_s for connection in self.idle), default=FOREVER_S)
        if first_s < self._alarm_at_s and first_s != FOREVER_S:
            self._alarm_at_s = first_s
            if self._alarm is None:
                self._alarm = _hub.Alarm(self._close_expired)
            self._alarm.set_after(first_s - _hub.clock.monotonic_s())


class Pools(Generic[ConnectionT]):
    """The pools of one hub, by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, Pool[ConnectionT]] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    def find(self, name: str) -> Pool[ConnectionT] | None:
        """Return the pool of that name, if there is one."""
        return self._by_name.get(name)

    def find_or_make(self, name: str, size: int, backlog: int | None = None) -> Pool[ConnectionT]:
        """Return the pool of that name, which keeps the size and backlog it was made with."""
        pool = self._by_name.get(name)
        if pool is None:
            pool = self._by_name[name] = Pool(self, name, size, backlog)
        return pool

    def remember(self, pool: Pool[ConnectionT]) -> None:
        """Have a pool with connections found under its name."""
        self._by_name[pool.name] = pool

    def forget(self, pool: Pool[ConnectionT]) -> None:
        """Drop a pool without connections; the next of that name may have another size."""
        if self._by_name.get(pool.name) is pool:
            del self._by_name[pool.name]

    def forget_all(self) -> None:
        """Drop all pools, in a child: their connections are the parent's. What is idle is closed without a word."""
        for pool in self._by_name.values():
            pool.forget_all()
        self._by_name.clear()

    def close(self) -> None:
        """As close_idle()."""
        self.close_idle()

    def close_idle(self) -> None:
        """Close all idle connections, before the hub ends."""
        for pool in list(self._by_name.values()):
            for connection in list(pool.idle):
                pool.drop(connection)


_process.inherited(Pools, Pools.forget_all)
