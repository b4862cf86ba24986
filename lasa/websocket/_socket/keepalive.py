"""Is the peer still there? A ping now and then, and any traffic counts as life (RFC 6455 section 5.5.2)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from lasa import _hub
from lasa.websocket._socket.session import Session
from lasa.websocket._wire.frames import PING

__all__ = ["Keepalive"]


class Keepalive:
    """The pings of one connection; it runs in the hub and never switches.

    Attributes:
        latency_s: between the last ping and its pong; None before the first.
    """

    __slots__ = (
        "_alarm",
        "_arrivals",
        "_interval_s",
        "_on_lost",
        "_sent_s",
        "_session",
        "_text",
        "_timeout_s",
        "latency_s",
    )

    def __init__(
        self, session: Session, interval_s: float, timeout_s: float | None, on_lost: Callable[[], None]
    ) -> None:
        self._session: Session | None = session
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._on_lost = on_lost
        self._text = b""  # of the ping that waits for its pong
        self._sent_s = 0.0
        self._arrivals = -1  # when the last ping was sent; -1 if nothing follows from it
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
            self.latency_s = time.monotonic() - self._sent_s

    def _on_time(self) -> None:
        session, alarm = self._session, self._alarm
        assert alarm is not None
        assert session is not None
        if not session.is_open:  # and nobody has said so: it was dropped
            self.stop()
            return
        arrivals = session.protocol.arrivals
        # What nobody receives is not read either: then silence says nothing about the peer. Nor does it where the
        # hub was held up, and what has come meanwhile is still to be read.
        if arrivals == self._arrivals and not session.is_backed_up and not session.has_input():
            self._on_lost()
            return
        timeout_s = self._timeout_s
        if self._arrivals >= 0 and timeout_s is not None and timeout_s < self._interval_s:
            self._arrivals = -1  # the peer lives; the next ping is due an interval after the last one
            alarm.set_after(self._interval_s - timeout_s)
            return
        self._text = os.urandom(4)
        self._sent_s = time.monotonic()
        session.post(PING, self._text)
        self._arrivals = -1 if timeout_s is None else arrivals
        alarm.set_after(self._interval_s if timeout_s is None else timeout_s)
