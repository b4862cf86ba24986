"""Channels: values from one OS thread to another, or within one (beyond the seed; it goes with lasa.detach).

A light thread that waits at either end lets the others of its hub go on. Whoever waits is served first in, first out:
a value is handed to the receiver that has waited longest, and a value that waits outside comes in as soon as one is
taken. So receivers wait only while a channel is empty, and senders only while it is full.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from lasa import _hub, _process
from lasa._values import at_least, wait_s
from lasa.errors import FixedWord, SocketClosed, SocketTimeout, Word, failed

__all__ = ["Channel", "channel"]

# No object may be made under the lock, where its collector could run a finalizer that wants the lock.
_CLOSED: Final = (None, FixedWord(SocketClosed))
_DONE: Final = (1, None)
_FULL_OR_EMPTY: Final = (None, FixedWord(lambda: SocketTimeout().during("wait", timeout_s=0.0)))

_NOTHING: Final[Any] = object()


class _Waiter:
    """One send or receive that waits; whoever sets the outcome wakes it up."""

    __slots__ = ("outcome", "value", "wake_up")

    def __init__(self, value: Any = None) -> None:
        self.value = value  # what a sender brings, and a receiver was handed
        self.outcome: tuple[Any, Word | None] | None = None
        self.wake_up = _hub.WakeUpCall()


class Channel:
    """A queue of values; ``lasa.channel()`` makes it. Its calls are for any OS thread.

    Those that do not wait are for signal handlers and finalizers, too: the lock is held between two calls of others
    alone, where the interpreter runs neither, and one of the same OS thread that comes behind the last call under it
    finds everything in order.

    ``len(channel)`` is how many values are in it, and ``for value in channel`` receives until it is closed and empty.
    """

    __slots__ = ("__weakref__", "_count", "_is_closed", "_lock", "_receivers", "_senders", "_size", "_values")

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = _hub.OsRLock()
        self._values: deque[Any] = deque()
        self._count = 0  # of values
        self._receivers: deque[_Waiter] = deque()
        self._senders: deque[_Waiter] = deque()
        self._is_closed = False
        _process.use()

    def __len__(self) -> int:
        return len(self._values)

    def __bool__(self) -> bool:
        return True  # an empty one is a channel, too

    def __iter__(self) -> Iterator[Any]:
        while True:
            value, err = self.receive()
            if err is not None:
                return
            yield value

    def send(self, value: Any, timeout_s: float | None = None) -> tuple[int | None, Word | None]:
        """Put ``value`` in, behind all others; wait while the channel is full.

        Args:
            value: any object; it is not copied, so both sides have the same one.
            timeout_s: seconds, cut to whole milliseconds; None waits for ever, 0 does not wait.
        Returns:
            ``(1, None)``; or ``(None, err)``, and nothing was put in: "timeout", "closed".
        Raises:
            ValueError: "no negative number". TypeError: not a number.
        Switches: when it has to wait, and now and then to let others have their turn. A kill meanwhile takes the value
        back, unless it has come in already.
        """
        limit_s = _limit(timeout_s, "Channel.send()")
        _hub.breathe()
        me: _Waiter | None = None
        while True:
            receiver: _Waiter | None = None
            with self._lock:
                if self._is_closed:
                    return _CLOSED
                if self._receivers:
                    receiver = self._receivers[0]
                    receiver.value = value
                    receiver.outcome = _DONE
                    del self._receivers[0]
                elif self._count < self._size:
                    self._count += 1
                    self._values.append(value)
                    return 1, None
                elif limit_s == 0:
                    return _FULL_OR_EMPTY
                elif me is not None:
                    self._senders.append(me)
            if receiver is not None:
                receiver.wake_up.ring_surely()
                return 1, None
            if me is not None:
                return self._wait(me, self._senders, limit_s)
            me = _Waiter(value)  # not under the lock: whatever runs there must not make finalizers run

    def receive(self, timeout_s: float | None = None) -> tuple[Any, Word | None]:
        """Take the value that was sent first; wait while there is none.

        Args:
            timeout_s: seconds, cut to whole milliseconds; None waits for ever, 0 does not wait.
        Returns:
            ``(value, None)``; or ``(None, err)``: "timeout", "closed" (and all that was sent before has been taken).
        Raises:
            ValueError: "no negative number". TypeError: not a number.
        Switches: when it has to wait, and now and then to let others have their turn. A kill meanwhile leaves the
        value to the next.
        """
        limit_s = _limit(timeout_s, "Channel.receive()")
        _hub.breathe()
        me: _Waiter | None = None
        while True:
            sender: _Waiter | None = None
            taken: Any = _NOTHING
            try:
                with self._lock:
                    if self._count:
                        taken = self._values[0]
                        del self._values[0]
                        self._count -= 1
                        if self._senders:
                            sender = self._senders[0]
                            sender.outcome = _DONE
                            del self._senders[0]
                            self._count += 1
                            self._values.append(sender.value)
                    elif self._is_closed:
                        return _CLOSED
                    elif limit_s == 0:
                        return _FULL_OR_EMPTY
                    elif me is not None:
                        self._receivers.append(me)
                if sender is not None:
                    sender.wake_up.ring_surely()
                if taken is not _NOTHING:
                    return taken, None
                if me is not None:
                    err = self._wait(me, self._receivers, limit_s)[1]
                    return me.value, err
            except BaseException:
                if taken is not _NOTHING:
                    self._put_back(taken)
                elif me is not None and me.outcome is not None and me.outcome[1] is None:
                    self._put_back(me.value)
                raise
            me = _Waiter()

    def close(self) -> tuple[int | None, Word | None]:
        """Let nothing more in; what is in it can still be received. Whoever waits gets "closed".

        Returns:
            ``(1, None)``; or ``(None, "closed")``: it was closed before.
        Switches: never.
        """
        none_receive: deque[_Waiter] = deque()
        none_send: deque[_Waiter] = deque()
        with self._lock:
            if self._is_closed:
                return _CLOSED
            self._is_closed = True
            receivers, senders = self._receivers, self._senders
            self._receivers, self._senders = none_receive, none_send
        try:
            _tell_closed([*receivers, *senders])
        except BaseException:  # of a signal handler
            _tell_closed([*receivers, *senders])
            raise
        return 1, None

    def _wait(self, me: _Waiter, queue: deque[_Waiter], limit_s: float | None) -> tuple[Any, Word | None]:
        try:
            me.wake_up.wait(limit_s)
        finally:
            with self._lock:  # another OS thread may have served us when the time was over already
                if me.outcome is None and me in queue:  # it is not where one is just closing the channel
                    queue.remove(me)
        return me.outcome or failed(SocketTimeout().during("wait", timeout_s=limit_s))

    def _put_back(self, value: Any) -> None:
        # It was handed to one that was killed before it went on; there is one more than fits in, at worst.
        receiver: _Waiter | None = None
        with self._lock:
            if self._receivers:
                receiver = self._receivers[0]
                receiver.value = value
                receiver.outcome = _DONE
                del self._receivers[0]
            else:
                self._count += 1
                self._values.appendleft(value)
        if receiver is not None:
            receiver.wake_up.ring_surely()

    def _forget_waiters(self) -> None:
        # In a child: they are the parent's, and so is an OS thread that holds the lock at this moment.
        _hub.leave_behind((self._receivers, self._senders))
        self._lock = _hub.OsRLock()
        self._receivers = deque()
        self._senders = deque()


_process.inherited(Channel, Channel._forget_waiters)


def _tell_closed(waiting: list[_Waiter]) -> None:
    for each in waiting:
        if each.outcome is None:
            each.outcome = _CLOSED
        each.wake_up.ring_surely()


def channel(size: int) -> Channel:
    """Return a new channel that holds ``size`` values, at least 1.

    Raises:
        ValueError: "positive number required". TypeError: not a number.
    Switches: never.
    """
    return Channel(at_least(1, size, "lasa.channel()"))


def _limit(timeout_s: object, call: str) -> float | None:
    return None if timeout_s is None else wait_s(timeout_s, call)
