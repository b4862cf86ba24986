"""What leaves a WebSocket: frame after frame, messages never mixed, and only who sends waits for a slow peer.

Two things are taken in turns: the wire, for one frame, and the message, for all fragments of one. Pings, pongs and
close frames may go between the fragments of a message. Whoever must not wait (the reader with its pongs, a broadcast)
posts: what the kernel does not take at once leaves in a light thread of its own, within bounds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from lasa import _hub, _process, thread
from lasa._hub import Turn
from lasa._stream import Connection
from lasa.errors import SocketClosed, SocketError, SocketTimeout, copy_of

__all__ = ["MessageTurn", "OnBroken", "Outlet"]

SPLIT_AT: Final = 65_536  # bytes; larger payloads are not copied behind their head
POSTED_MAX: Final = 1_048_576  # bytes that may wait for a slow peer, besides the frame that is on its way
FRAME_COST: Final = 64  # bytes of memory for a frame beside its own: of pongs there may be many

OnBroken = Callable[["Outlet", SocketError], None]

_CLOSED: Final = SocketClosed()


class MessageTurn(Turn):
    """The turn of whoever sends a message."""

    __slots__ = ()

    refusal = "a message is being sent by this light thread already"


_process.inherited(MessageTurn, MessageTurn.forget)


class Outlet:
    """The sending side of one connection.

    Attributes:
        wait_s: how long a send may wait without progress.
        message: who sends a message; whoever else wants to waits.
        is_fragmented: whether a message has begun whose other fragments are still to come.
        is_closed: whether a close frame was sent, or waits for the wire: nothing can follow it.
        has_failed: whether a frame may have left in part, so that nothing can follow.
        failure: why, to tell and not to raise; "closed" where nothing is known.
        on_broken: called with this outlet and the error where what was posted cannot leave.
    """

    __slots__ = (
        "_connection",
        "_posted",
        "_posted_size",
        "_stream",
        "_wire",
        "failure",
        "has_failed",
        "is_closed",
        "is_fragmented",
        "message",
        "on_broken",
        "wait_s",
    )

    def __init__(self, connection: Connection, wait_s: float) -> None:
        self._connection = connection
        self._stream = connection.stream
        self.wait_s = wait_s
        self.has_failed = self.is_closed = self.is_fragmented = False
        self.failure: SocketError = _CLOSED
        self.on_broken: OnBroken | None = None
        self.message = MessageTurn()
        self._wire = Turn()
        self._posted: deque[bytes] | None = None  # made when the first frame has to wait
        self._posted_size = 0

    @property
    def is_free(self) -> bool:
        """Whether a whole message could leave at once."""
        return not self._wire.is_taken and not self.message.is_taken

    @property
    def is_busy(self) -> bool:
        """Whether a frame is on its way."""
        return self._wire.is_taken

    def send(self, head: bytes, payload: bytes = b"", *, closes: bool = False) -> None:
        """Send a frame; a large payload goes separately, uncopied.

        Args:
            closes: whether it is a close frame, behind which nothing leaves.
        Raises:
            SocketTimeout, SocketClosed, SocketError.
        Switches: when the kernel's buffer is full, and to wait for its turn.
        """
        wire = self._wire
        if wire.is_taken:
            self._take_wire()
        else:
            wire.is_taken = True
        try:
            if self.is_closed or self.has_failed or not self._connection.link.is_open:
                raise SocketClosed
            if closes:
                self.is_closed = True
                self._posted = None
            try:
                if len(payload) > SPLIT_AT:
                    self._stream.send(head + payload[:SPLIT_AT], self.wait_s)
                    self._stream.send(memoryview(payload)[SPLIT_AT:], self.wait_s)
                else:
                    self._stream.send(head + payload, self.wait_s)
                if self._posted:
                    self._send_posted()
            except BaseException as error:
                self._fail(error)
                raise
        finally:
            wire.give_back()

    def post(self, frame: bytes, *, closes: bool = False) -> bool:
        """Send a frame as soon as the wire is free, and say whether it will be: False if too much waits already.

        Args:
            closes: as send(); a close frame is never too much.
        Switches: never.
        """
        if self.is_closed or self.has_failed or not self._connection.link.is_open:
            return False
        self.is_closed = closes
        if self._wire.is_taken:
            if self._posted_size + len(frame) > POSTED_MAX and not closes:
                return False
            if self._posted is None:
                self._posted = deque()
            self._posted.append(frame)
            self._posted_size += len(frame) + FRAME_COST
            return True
        try:
            sent = self._stream.send_now(frame)
        except SocketError as error:
            self._fail(error)  # the reader will hear why, too
            return False
        if sent < len(frame) or self._stream.has_unsent:
            self._wire.is_taken = True
            rest = memoryview(frame)[sent:]
            self._posted_size += len(rest)
            _hub.call_soon(partial(thread.spawn, self._finish, rest))
        return True

    def post_message(self, frame: bytes) -> bool:
        """As post(), for a whole message: not between the fragments of another one."""
        return not self.is_fragmented and self.post(frame)

    def settle(self, wait_s: float) -> None:
        """Return when what was posted has left.

        Raises:
            SocketTimeout: some of it is still to leave. SocketClosed, SocketError.
        Switches: if something is still to leave.
        """
        if not self._wire.take(wait_s):
            raise SocketTimeout
        try:
            if self._connection.link.is_open:
                self._stream.flush(wait_s)
        finally:
            self._wire.give_back()

    def _take_wire(self) -> None:
        try:
            self._wire.take()
        except BaseException:
            if self._posted and not self._wire.is_taken:  # what others posted, who saw that it was ours
                self._wire.is_taken = True
                _hub.call_soon(partial(thread.spawn, self._finish, b""))
            raise

    def _send_posted(self) -> None:
        while self._posted:
            frame = self._posted.popleft()
            self._posted_size -= len(frame) + FRAME_COST
            self._stream.send(frame, self.wait_s)

    def _finish(self, rest: bytes | memoryview) -> None:
        # In a light thread of its own, which has the wire's turn.
        try:
            if rest:
                self._stream.send(rest, self.wait_s)
                self._posted_size -= len(rest)
            self._stream.flush(self.wait_s)
            self._send_posted()
        except SocketError as error:
            self._fail(error)  # the peer takes nothing
            if self.on_broken is not None:
                self.on_broken(self, error.during("write", timeout_s=self.wait_s))
            self._connection.give_back()
        except _hub.GreenletExit as error:
            self._fail(error)
            raise
        finally:
            self._wire.give_back()

    def _fail(self, error: BaseException) -> None:
        self.has_failed = True
        if isinstance(error, SocketError):
            self.failure = copy_of(error)
