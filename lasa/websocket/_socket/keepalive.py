"""Is the peer still there? A ping now and then, and any traffic counts as life (RFC 6455 section 5.5.2)."""

from __future__ import annotations

import os
from typing import Final

from lasa import _hub
from lasa.websocket._socket.outlet import OnBroken
from lasa.websocket._socket.session import Session
from lasa.websocket._wire.errors import PingTimeout
from lasa.websocket._wire.frames import PING

__all__ = ["Keepalive"]

EARLY_S: Final = 0.001  # a timer may be, by its own clock
FOREVER_S: Final = float("inf")


class Keepalive:
    """The pings of one connection; it runs in the hub and never switches.

    Attributes:
        latency_s: between the last ping and its pong; None before the first.
    """

    __slots__ = (
        "_ahead",
        "_alarm",
        "_arrivals",
        "_due_s",
        "_interval_s",
        "_lost_s",
        "_on_lost",
        "_sent_s",
        "_session",
        "_taken",
        "_text",
        "_timeout_s",
        "latency_s",
    )

    def __init__(
        self,
        session: Session,
        interval_s: float,
        timeout_s: float | None,
        on_lost: OnBroken,
    ) -> None:
        self._session: Session | None = session
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._on_lost = on_lost
        self._text = b""  # of the ping that waits for its pong
        self._sent_s = 0.0
        self._arrivals = -1  # when the first ping was sent that is not answered
        self._taken = self._ahead = 0  # what the peer's system had taken by then, and where that ping stands behind it
        self._lost_s = FOREVER_S  # when the peer is, unless something comes
        self._due_s = _hub.clock.monotonic_s() + interval_s
        self.latency_s: float | None = None
        self._alarm: _hub.Alarm | None = _hub.Alarm(self._on_time)
        self._alarm.set_after(interval_s)

    def stop(self) -> None:
        """No more pings."""
        if self._alarm is not None:
            self._alarm.clear()
            # Both know us, and a connection that is over must not wait for the cycle collector.
            self._alarm = self._session = None

    def note_pong(self, payload: bytes) -> None:
        """A pong has come."""
        if payload and payload == self._text:
            self._text = b""
            self.latency_s = _hub.clock.monotonic_s() - self._sent_s

    def _on_time(self) -> None:
        session, alarm = self._session, self._alarm
        assert alarm is not None
        assert session is not None
        if not session.is_open or session.outlet.is_closed:  # it was dropped, or is closed, which has a time of its own
            self.stop()
            return
        now_s = _hub.clock.monotonic_s() + EARLY_S
        if self._lives(session):
            self._lost_s = FOREVER_S
        elif now_s >= self._lost_s:
            self._on_lost(session.outlet, PingTimeout().during("read", timeout_s=self._timeout_s))
            return
        if now_s >= self._due_s:
            self._ping(session)
        alarm.set_after(min(self._due_s, self._lost_s) - now_s + EARLY_S)

    def _lives(self, session: Session) -> bool:
        # What nobody receives is not read either: then silence says nothing about the peer. Nor does it while our own
        # frame is on its way, before which no ping leaves; nor where the hub was held up, and something is unread.
        return (
            session.protocol.arrivals != self._arrivals
            or session.is_backed_up
            or session.outlet.is_busy
            or session.has_input()
            or self._takes(session)
        )

    def _takes(self, session: Session) -> bool:
        # Whether something has gone that stood before the ping: a slow peer cannot answer what has not reached it. The
        # ping itself does not count, nor what is behind it: a system takes that for a program that has stopped.
        taken, _ = session.connection.link.backlog()
        return min(taken, self._ahead) > self._taken

    def _ping(self, session: Session) -> None:
        now_s = _hub.clock.monotonic_s()
        self._due_s = now_s + self._interval_s
        if session.outlet.is_busy:
            return
        self._text = os.urandom(4)
        self._sent_s = now_s
        if self._timeout_s is not None and self._lost_s == FOREVER_S:
            self._arrivals = session.protocol.arrivals
            self._lost_s = now_s + self._timeout_s
            self._taken, left = session.connection.link.backlog()
            self._ahead = self._taken + left
        session.post(PING, self._text)
