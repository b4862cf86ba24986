"""One connection after another, with a growing pause between attempts that fail."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from lasa import _hub
from lasa._backoff import backoff_s
from lasa._functions import check_function
from lasa._values import integer
from lasa.errors import SocketError, Word, error_in, word_of
from lasa.websocket._socket.messaging import WebSocket
from lasa.websocket._socket.options import checked_s
from lasa.websocket._wire.uri import BAD_URI, uri_to_show

__all__ = ["Backoff", "Reconnecting", "makes_sense"]

logger = logging.getLogger("lasa.websocket.client")

JITTER: Final = 0.5
LASTED_S: Final = 10.0  # a connection that has been open so long is no failed attempt
_PASSING: Final = frozenset((408, 425, 429))  # statuses of 4xx that may be others in a moment

SocketT = TypeVar("SocketT", bound=WebSocket)


class Backoff:
    """How long to wait before the next attempt; knows no clock.

    Attributes:
        failures: attempts in a row that failed.
    """

    def __init__(self, min_delay_s: float, max_delay_s: float, max_attempts: int | None) -> None:
        self._min_s = checked_s("min_delay_s", min_delay_s)
        self._max_s = checked_s("max_delay_s", max_delay_s)
        if self._max_s < self._min_s:
            raise ValueError(f"bad max_delay_s: {max_delay_s!r}, less than min_delay_s")
        attempts = None if max_attempts is None else integer(max_attempts)
        if max_attempts is not None and (attempts is None or attempts < 1):
            raise ValueError(f"bad max_attempts: {max_attempts!r}")
        self._max_attempts = attempts
        self.failures = 0

    @property
    def is_over(self) -> bool:
        """Whether so many attempts have failed as may fail."""
        return self._max_attempts is not None and self.failures >= self._max_attempts

    def succeed(self) -> None:
        """A connection was opened, and lasted."""
        self.failures = 0

    def fail(self, chance: float) -> float:
        """An attempt has failed: return how long to wait.

        Args:
            chance: a random number from 0 to 1.
        """
        self.failures += 1
        return backoff_s(self.failures - 1, self._min_s, self._max_s, -JITTER, chance)


class Reconnecting(Generic[SocketT]):
    """An iterator of live connections; ``lasa.websocket.client.reconnecting()`` makes it.

    As a context manager it stops at the end, and closes the connection that it gave last.
    """

    def __init__(
        self,
        uri: Any,
        connect: Callable[[Mapping[str, Any]], SocketT],
        options: Callable[[], Mapping[str, Any]],
        backoff: Backoff,
        should_retry: Callable[[str], bool] | None,
    ) -> None:
        self._uri = uri
        self._connect = connect
        self._options = options
        self._backoff = backoff
        if should_retry is not None:
            check_function(should_retry, "should_retry")
        self._should_retry = makes_sense if should_retry is None else should_retry
        self._current: SocketT | None = None
        self._opened_s = 0.0
        self._is_stopped = False
        self._stopped = _hub.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        current, self._current = self._current, None
        self.stop()
        if current is not None:
            current.__exit__(kind, error, traceback)

    def __iter__(self) -> Self:
        """Open one connection after another.

        Raises:
            Error: an attempt has failed, or a connection did not last, and no other attempt is made; ``response`` is
            the answer of a server that has refused. What ``renew`` and ``should_retry`` raise; the next step goes on.
        Switches: whenever it has to wait.
        """
        return self

    def __next__(self) -> SocketT:
        last, self._current = self._current, None
        if last is not None:
            has_lasted = _hub.clock.monotonic_s() - self._opened_s >= LASTED_S
            last.close()  # which may take a while
            if not self._is_stopped:
                self._note_loss(last, has_lasted=has_lasted)
        while not self._is_stopped:
            options = self._options()
            wb = err = None
            try:
                wb = self._connect(options)
            except SocketError as error:
                err = word_of(error)
            if self._is_stopped:  # meanwhile
                if wb is not None:
                    wb.close()
                break
            if wb is not None:
                wb.ends_quietly = True
                self._current = wb
                self._opened_s = _hub.clock.monotonic_s()
                return wb
            assert err is not None
            if not self._should_retry(err):
                raise error_in(err)
            self._pause("no connection to", err)
        raise StopIteration

    def _note_loss(self, last: SocketT, *, has_lasted: bool) -> None:
        err = word_of(last.why_lost())
        if has_lasted:
            self._backoff.succeed()
            logger.info("lost %s: %s; connecting again", uri_to_show(self._uri), err)
        else:
            self._pause("lost", err)

    def _pause(self, what: str, err: Word) -> None:
        delay_s = self._backoff.fail(random.random())
        if self._backoff.is_over:
            raise error_in(err)
        logger.info("%s %s: %s; connecting again in %.1f s", what, uri_to_show(self._uri), err, delay_s)
        self._stopped.wait(delay_s)

    def stop(self) -> None:
        """End the loop at its next step, also where it waits for an attempt; the current connection is told.

        Switches: never.
        """
        self._is_stopped = True
        self._stopped.set()
        if self._current is not None:
            self._current.go_away()


def makes_sense(err: Any) -> bool:
    """Whether another attempt may have another outcome."""
    if err == BAD_URI:
        return False
    response = getattr(err, "response", None)
    return response is None or not 400 <= response.code < 500 or response.code in _PASSING
