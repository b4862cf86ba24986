"""What several light threads ask for at once, done once for all of them: looking up one name, for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import gevent

from lasa import _process
from lasa._hub.halfway import calls_users
from lasa._hub.queue import Event
from lasa.errors import SocketTimeout

__all__ = ["Errands"]

ValueT = TypeVar("ValueT")


class _Errand(Generic[ValueT]):
    """One that is under way, in a greenlet of its own, so that no end of an asker's is the others' end."""

    __slots__ = ("error", "greenlet", "over", "value")

    def __init__(self) -> None:
        self.greenlet: Any = None
        self.over = Event()
        self.value: ValueT | None = None
        self.error: Exception | None = None


class Errands(Generic[ValueT]):
    """The errands of one hub; nothing of one is kept once it is over."""

    __slots__ = ("_run", "_under_way")

    def __init__(self, run: Callable[[str], ValueT]) -> None:
        self._run = run
        self._under_way: dict[str, _Errand[ValueT]] = {}

    def ask(self, what: str, timeout_s: float) -> ValueT | None:
        """Return what ``run(what)`` returns, which may have been called for another asker a while ago.

        When all who asked have given up, it is killed, and the next one begins anew.

        Returns:
            None if what runs it was killed.
        Raises:
            SocketTimeout: ``timeout_s`` is over. What ``run`` raises.
        Switches: always.
        """
        errand = self._under_way.get(what)
        if errand is None:
            errand = self._under_way[what] = _Errand()
            errand.greenlet = gevent.spawn(self._do, what, errand)
        try:
            errand.over.wait(timeout_s)
        finally:
            if not errand.over.is_awaited and not errand.over.is_set:
                self._forget(what, errand)
                errand.greenlet.kill(block=False)
        if not errand.over.is_set:
            raise SocketTimeout
        if errand.error is not None:
            raise errand.error
        return errand.value

    def _do(self, what: str, errand: _Errand[ValueT]) -> None:
        try:
            errand.value = self._run(what)
        except Exception as error:
            errand.error = error
        finally:
            self._forget(what, errand)
            errand.greenlet = None
            errand.over.set()

    def _forget(self, what: str, errand: _Errand[ValueT]) -> None:
        if self._under_way.get(what) is errand:
            del self._under_way[what]

    def forget_all(self) -> None:
        """Know of nothing that is under way: in a child, where it does not end."""
        self._under_way.clear()

    def close(self) -> None:
        """As forget_all(), before the hub ends."""
        self.forget_all()


_process.inherited(Errands, Errands.forget_all)
calls_users(Errands._do.__code__)
