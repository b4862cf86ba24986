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
        self._session = session
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._on_lost = on_lost
        self._text = b""  # of the ping that waits for its pong
        self._sent_s = 0.0
        self._arrivals = -1  # when the last ping was sent; -1 if nothing follows from it
        self.latency_s: float | None = None
        self._alarm = _hub.Alarm(self._on_time)
        self._alarm.set_after(interval_s)

    def stop(self) -> None:
        """No more pings."""
        self._alarm.clear()

    def note_pong(self, payload: bytes) -> None:
        """A pong has come."""
        if payload and payload == self._text:
            self._text = b""
            self.latency_s = time.monotonic() - self._sent_s

    def _on_time(self) -> None:
        session = self._session
        arrivals = session.protocol.arrivals
        # What nobody receives is not read either: then silence says nothing about the peer.
        if arrivals == self._arrivals and not session.is_backed_up:
            self._on_lost()
            return
        timeout_s = self._timeout_s
        if self._arrivals >= 0 and timeout_s is not None and timeout_s < self._interval_s:
            self._arrivals = -1  # the peer lives; the next ping is due an interval after the last one
            self._alarm.set_after(self._interval_s - timeout_s)
            return
        self._text = os.urandom(4)
        self._sent_s = time.monotonic()
        session.post(PING, self._text)
        self._arrivals = -1 if timeout_s is None else arrivals
        self._alarm.set_after(self._interval_s if timeout_s is None else timeout_s)
