"""How a WebSocket ends: the closing handshake, a peer that breaks the rules, one that is gone (RFC 6455 section 7).

Both sides send a close frame; then the server ends TCP, and the client waits for that. Whoever fails the other says
why in its close frame, and reads on for a moment: a connection that is closed with bytes unread is reset, and the
peer would not learn the reason.
"""

from __future__ import annotations

import _socket
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any, Final, Self

from lasa import _hub, thread
from lasa._stream import LINGER_S, TlsStream
from lasa.errors import Error, SocketClosed, SocketError, SocketTimeout, Word, copy_of, error_of, failed
from lasa.websocket._socket.framing import FrameSizes, Framing, Sent
from lasa.websocket._socket.keepalive import Keepalive
from lasa.websocket._socket.options import Options, checked_s
from lasa.websocket._socket.outlet import Outlet
from lasa.websocket._socket.session import Session
from lasa.websocket._wire.closing import (
    ABNORMAL,
    GOING_AWAY,
    INTERNAL_ERROR,
    NO_STATUS,
    NORMAL,
    REASON_MAX,
    Closing,
    close_payload,
    parse_close,
)
from lasa.websocket._wire.errors import ProtocolError, closed_by
from lasa.websocket._wire.frames import CLOSE, FIN, LENGTH_MAX, PING, PONG
from lasa.websocket._wire.protocol import ControlFrame

__all__ = ["Ending"]

AHEAD_MAX: Final = 16  # reads of the hub in a row


class Ending(Framing):
    """A WebSocket that answers control frames and knows how to end."""

    __slots__ = ("_close_alarm", "_is_answering", "_is_due", "_is_watching", "_keepalive", "_options", "_over")

    def __init__(self, sizes: FrameSizes, options: Options, *, masks: bool, timeout_s: float) -> None:
        super().__init__(sizes, masks=masks, timeout_s=timeout_s)
        self._options = options
        self._is_answering = False  # pings, and a close; the level of messages
        self._is_watching = False  # the hub reads when nobody does
        self._is_due = False  # and does so soon, since something is there already
        self._keepalive: Keepalive | None = None
        self._close_alarm: _hub.Alarm | None = None
        self._over: _hub.Event | None = None  # for whoever waits until somebody else has read the close

    def __enter__(self) -> Self:
        """Return the WebSocket; leaving the ``with`` closes it, with 1011 after an error."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None or issubclass(kind, Exception):
                self.close(NORMAL if kind is None else INTERNAL_ERROR)
        finally:  # a timeout of gevent's in the middle of the close must not leave it open
            self.abort()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that neither side has closed; a peer that has gone silently is not known yet.

        At the level of frames a close frame changes nothing: there is one until close().
        """
        # Not while the closing handshake goes on: a loop that sends as long as it is open would never let it end.
        session = self._session
        if session is None or not session.is_open:
            return False
        return not (self._is_answering and (self._close_sent or session.outlet.has_failed))

    @property
    def latency_s(self) -> float | None:
        """Seconds between the last ping of the keepalive and its pong; None before the first."""
        return None if self._keepalive is None else self._keepalive.latency_s

    # -- control frames

    def _sent(self, first: int, data: Any) -> Sent:
        session = self._session
        try:
            if session is None or not self._is_answering or first & CLOSE:
                sent = self._send_frame(first, data)
                if first & 15 == CLOSE and self._is_answering and self.closing is None:
                    code, reason = _told(data if isinstance(data, bytes) else b"")
                    self.closing = Closing(code, reason, "us")
                return sent, None
            session.outlet.message.take()  # not between the fragments of a message
            try:
                return self._send_frame(first, data), None
            finally:
                session.outlet.message.give_back()
        except SocketError as error:
            return failed(self._known(error, "write"))

    def _answer_by_itself(self, session: Session) -> None:
        """Begin with the level of messages."""
        self._is_answering = True
        options = self._options
        reader = session.protocol.reader
        reader.is_strict = True
        reader.max_frame = options.max_frame or LENGTH_MAX
        session.protocol.limit(options.max_message)
        session.outlet.on_broken = lose = _Weak(Ending._lose, self)
        if options.ping_interval_s is not None:
            self._keepalive = Keepalive(session, options.ping_interval_s, options.ping_timeout_s, lose)
        if self._is_reading:
            self._watch(session)
        else:
            self._read_ahead(session)  # also what came together with the handshake

    def _answer(self, session: Session, frame: ControlFrame) -> bool:
        """Do what a control frame asks for, and say whether it was the peer's close frame. Never switches.

        Raises:
            ProtocolError: a close frame that is none.
        """
        opcode, payload = frame
        if opcode == PING:
            session.post(PONG, payload)
        elif opcode == PONG:
            if self._keepalive is not None:
                self._keepalive.note_pong(payload)
        else:
            code, reason = parse_close(payload)
            if not self._close_sent:
                self.closing = Closing(NO_STATUS if code is None else code, reason, "peer")
                self._close_sent = True
                session.post(CLOSE, payload)  # the reason, too: browsers show what comes back
            return True
        return False

    # -- the hub reads when nobody does

    def _watch(self, session: Session) -> None:
        if session.is_open:
            self._is_watching = True
            session.connection.link.readable.watch(_Weak(Ending._on_event, self))

    def _on_event(self) -> None:
        # In the hub: something has come, and nobody waits for it.
        session = self._session
        self._is_watching = self._is_due = False
        if (
            session is not None and self._is_answering and not self._is_reading
        ):  # whoever reads calls _end_read() afterwards
            self._read_ahead(session)

    def _end_read(self, session: Session) -> None:
        """Somebody has read, and does no longer. Never switches."""
        self._is_reading = False
        if self._over is not None:
            self._over.set()
        if not self._is_answering:
            return
        if session.protocol.reader.has_unread or session.stream.holds_input:
            if not self._is_due:  # not at once: the message before a close or a broken rule may still be answered
                self._is_due = True
                _hub.call_soon(_Weak(Ending._on_event, self))
        elif not self._is_watching:
            self._watch(session)

    def _read_ahead(self, session: Session) -> None:
        """Nobody reads: answer what has come before the next message, and let the hub go on so. Never switches."""
        if not session.is_open or session.is_ending:
            return
        session.is_backed_up = False
        protocol = session.protocol
        try:
            for reads in range(AHEAD_MAX):
                while protocol.is_control_next and (event := protocol.next_event()) is not None:
                    if self._answer(session, event):  # type: ignore[arg-type]
                        self._end_aside(session)
                        return
                if protocol.reader.has_unread and not protocol.is_control_next:
                    session.is_backed_up = True
                    return
                # What the kernel still has is another event, after those of others: the peer may stream.
                if (reads and not session.stream.holds_input) or not session.read_now():
                    break
            else:
                _hub.call_soon(_Weak(Ending._on_event, self))
                return
        except ProtocolError as error:
            self._tell(session, error)
            self._failure = copy_of(error)
            self._end_aside(session, is_failed=True)
            return
        except SocketError as error:
            self._end_lost(session, error)
            return
        self._watch(session)

    def _end_aside(self, session: Session, *, is_failed: bool = False) -> None:
        """Let a light thread of its own end the connection, as _finish(). Never switches."""
        session.is_ending = True
        _hub.call_soon(partial(thread.spawn, self._finish, session, is_failed=is_failed))

    def _await_end(self, session: Session, timeout_s: float | None) -> SocketError:
        """Wait until that light thread has done so, and return what to raise in whoever receives."""
        wait_s = self._options.close_timeout_s if timeout_s is None else checked_s("timeout_s", timeout_s)
        try:
            self._wait_for_close(session, _hub.Deadline(wait_s))
        except SocketTimeout as error:
            if timeout_s is not None:
                return error.during("read", timeout_s=wait_s)
            self._end(session)
        return self._why_over()

    def _why_over(self) -> SocketError:
        """Return what to raise where the connection is over: once what has ended it, "closed" afterwards."""
        failure, has_told = self._failure, self._has_told
        self._has_told = True
        return SocketClosed() if failure is None or has_told else copy_of(failure)

    def why_lost(self) -> Error:
        """Return an error like what has ended the connection, "closed" if somebody has. Switches: never."""
        closing, failure = self.closing, self._failure
        if closing is None or closing.code != ABNORMAL or closing.reason == "closed":
            return closed_by(closing)
        return error_of(closing.reason) if failure is None else copy_of(failure)

    # -- the end

    def _tell(self, session: Session, error: ProtocolError) -> None:
        """Tell the peer what it has done wrong. Never switches."""
        if not self._close_sent:
            self._close_sent = True
            self.closing = Closing(error.code, error.reason, "us")
            session.post(CLOSE, error.code.to_bytes(2, "big") + error.reason.encode()[:REASON_MAX])

    def _end_by(self, session: Session, error: SocketError) -> SocketError:
        """End since ``error`` was met while reading, and return what to raise. Switches: to tell the peer."""
        if isinstance(error, ProtocolError):
            self._tell(session, error)
            self._finish(session, is_failed=True)
            return error
        self._end_lost(session, error)
        return self._why_over()

    def _end_lost(self, session: Session, error: SocketError) -> None:
        """End since the peer is gone, or as good as gone. Never switches."""
        if self._failure is None and error.reason != "closed":
            self._failure = copy_of(error)
        if self.closing is None:
            self.closing = Closing(ABNORMAL, error.reason, "nobody")
        self._end(session)

    def _finish(self, session: Session, *, is_failed: bool = False, linger_s: float = LINGER_S) -> None:
        """Let our close frame leave, and TCP end. Switches: as far as it has to wait."""
        try:
            session.outlet.settle(linger_s)
            if is_failed or not session.is_client:
                stream = session.stream
                if isinstance(stream, TlsStream):
                    stream.say_goodbye()
                stream.shutdown(_socket.SHUT_WR)
            session.inlet.read_away(linger_s)
        except SocketError:
            pass  # the peer is gone: that is all we wanted
        finally:
            self._end(session)

    def _end(self, session: Session) -> None:
        """The connection is over. Never switches."""
        if self._session is session:
            self.abort()
        elif session.is_open:
            session.connection.give_back()

    def _lose(self, outlet: Outlet, error: SocketError) -> None:
        # No reader has met it: the keepalive in the hub has, or the light thread that sends what was posted.
        if self._session is not None and self._session.outlet is outlet:
            self._end_lost(self._session, error)

    def abort(self) -> None:
        """As Framing.abort()."""
        self._refuse_others()
        if self._keepalive is not None:
            self._keepalive.stop()
        if self._close_alarm is not None:
            self._close_alarm.clear()
            self._close_alarm = None
        if self._session is not None and self.closing is None and self._is_answering:
            self.closing = Closing(ABNORMAL, "aborted", "us")
        super().abort()
        if self._over is not None:
            self._over.set()

    def _rest(self) -> None:
        """Give the connection away, open as it is. Never switches."""
        session, self._session = self._session, None
        if self._keepalive is not None:
            self._keepalive.stop()
        if session is not None:
            session.outlet.on_broken = None
            if self._is_watching:
                session.connection.link.readable.on_idle_event = None
                self._is_watching = False

    def go_away(self, code: int = GOING_AWAY) -> None:
        """Begin to close, without waiting for the peer: for a server that stops. Its answer is read as ever.

        Switches: never. Source: beyond the seed.
        """
        session = self._session
        if session is None or self._close_sent:
            return
        if not self._is_answering:
            self.abort()
            return
        payload = close_payload(code, "")
        self._close_sent = True
        self.closing = Closing(code, "", "us")
        if not session.post(CLOSE, payload):
            self.closing = Closing(ABNORMAL, session.outlet.failure.reason, "nobody")
        self._close_alarm = _hub.Alarm(_Weak(Ending.abort, self))
        self._close_alarm.set_after(self._options.close_timeout_s)

    def close(
        self, code: int | None = None, reason: str = "", *, timeout_s: float | None = None
    ) -> tuple[Closing | int | None, Word | None]:
        """Close the connection.

        At the level of messages both sides say so: our close frame leaves, what the peer still sends is dropped, and
        its close frame is waited for. At the level of frames a close frame is sent, if none was, and TCP ends.

        Args:
            code: 1000 to 1003, 1007 to 1014, 3000 to 4999; 1000, and without a code at the level of frames.
            reason: at most 123 bytes as UTF-8.
            timeout_s: for all of it, in place of the option close_timeout_s.
        Returns:
            ``(closing, None)``: a Closing, with code and reason of who closed first, which may have been the peer;
            ``(1, None)`` at the level of frames. ``(None, err)``: "timeout" (the connection has ended all the same),
            "closed", "fatal error already happened".
        Raises:
            TypeError, ValueError: a code or reason that cannot be sent; nothing is sent then.
        Switches: until the peer has answered. Source: seed, "wb:close".
        """
        try:
            return self._close(code, reason, timeout_s), None
        except SocketError as error:
            return failed(self._known(error, "write"))

    def _close(self, code: int | None, reason: str, timeout_s: float | None) -> Closing | int:
        # As close(), but raises what has failed.
        self._refuse_others()
        if not self._is_answering:
            if code is not None and self.is_open and not self._close_sent and not self._is_fatal:
                with suppress(SocketError):  # _close_frames() tells
                    self._send_frame(FIN | CLOSE, close_payload(code, reason))
            return self._close_frames()
        payload = close_payload(NORMAL if code is None else code, reason)
        wait_s = self._options.close_timeout_s if timeout_s is None else checked_s("timeout_s", timeout_s)
        deadline = _hub.Deadline(wait_s)
        session = self._session
        if session is not None:
            try:
                if not self._close_sent:
                    self._close_sent = True
                    if not session.post(CLOSE, payload):  # a send has failed, which nothing can follow
                        self.closing = Closing(ABNORMAL, session.outlet.failure.reason, "nobody")
                        raise SocketClosed
                    self.closing = Closing(NORMAL if code is None else code, reason, "us")
                self._wait_for_close(session, deadline)
            except SocketError as error:
                self._end(session)
                error.during("read", timeout_s=wait_s)
                raise
            except _hub.GreenletExit:
                self.abort()
                raise
        closing = self.closing
        if closing is None or closing.code == ABNORMAL:
            raise SocketClosed
        return closing

    def _wait_for_close(self, session: Session, deadline: _hub.Deadline) -> None:
        while self._is_reading or session.is_ending:  # whoever reads meets the peer's close frame, too
            if self._over is None:
                self._over = _hub.Event()
            self._over.clear()
            if session.is_open and not self._over.wait(deadline.left_s):
                raise SocketTimeout
            if not session.is_open:
                return
        self._is_reading = True
        try:
            while True:
                try:
                    event = session.protocol.next_piece()  # which has no limit: all of it is dropped
                except ProtocolError as error:
                    self._end_by(session, error)
                    raise
                if event is None:
                    session.read(deadline.left_of(inf))
                elif type(event) is ControlFrame and self._answer(session, event):
                    self._finish(session, linger_s=min(LINGER_S, deadline.left_s))
                    return
                session.connection.link.breathe()
        finally:
            self._end_read(session)


class _Weak:
    """A method to call as long as its object is there: what the hub keeps must not keep a connection."""

    __slots__ = ("_method", "_owner")

    def __init__(self, method: Callable[..., None], owner: Ending) -> None:
        self._method = method
        self._owner = weakref.ref(owner)

    def __call__(self, *arguments: Any) -> None:
        owner = self._owner()
        if owner is not None:
            self._method(owner, *arguments)


def _told(payload: bytes) -> tuple[int, str]:
    # What a close frame of ours says, whatever it is.
    if len(payload) < 2:
        return NO_STATUS, ""
    return int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8", "replace")
