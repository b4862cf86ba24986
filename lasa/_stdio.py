"""stdout and stderr of a program or service: output leaves as its reader takes it, and holds no light thread up.

A descriptor that the process shares with others must not be made non-blocking, and one that somebody else has made so
must not lose anything. So it is asked first, and gets no more than it is sure to take; what is left when it takes
nothing more is written by an OS thread, until that has caught up.
"""

from __future__ import annotations

import errno
import io
import os
import select
import stat
import sys
import time
from collections import deque
from signal import SIGPIPE
from typing import Any, Final

from lasa import _hub, _process
from lasa.errors import system_error

__all__ = ["MUCH", "Outlet", "StandardStreams", "why", "write_now"]

SURE: Final = select.PIPE_BUF  # what a pipe that has room at all takes without blocking
PIECE: Final = 65536  # what the OS thread writes at once
BUFFER: Final = 65536
MUCH: Final = 1 << 20  # writers that can wait do so, when so many bytes have not left
TOO_MUCH: Final = 16 << 20  # all others block the OS thread then
LOOK_S: Final = 0.5
RETRY_S: Final = 0.01
LAST_S: Final = 0.5  # for what has not left at the end of a program that a signal has ended


class Outlet(io.RawIOBase):
    """A descriptor that takes whatever is written, and hands it over in order.

    It has no lock that a signal handler, or a finalizer, could meet: a writer puts its data into the queue, and
    one of the writers has the turn to empty it.

    Attributes:
        error: what the system said when it took no more; what has not left by then is lost.
        size: about how many bytes have not left.
        is_over: the program has ended: what is said still is waited for at once, and nobody is told what came of it.
    """

    def __init__(self, descriptor: int) -> None:
        """Take a descriptor, which stays the caller's; below 0 it stands for one that is closed."""
        super().__init__()
        self._descriptor = descriptor
        self.error: OSError | None = None
        self.is_over = False
        self.size = 0
        self._queue: deque[bytes] = deque()
        self._head = memoryview(b"")
        self._turn: Any = _hub.OsLock()
        self._waiters = _hub.WakeUpCalls()
        self._poll: Any = _hub.os_poll()
        self._takes_all = True
        if descriptor >= 0:
            self._poll.register(descriptor, select.POLLOUT)
            self._takes_all = stat.S_ISREG(os.fstat(descriptor).st_mode)

    def writable(self) -> bool:
        """Whether it can be written to: always."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._descriptor >= 0 and os.isatty(self._descriptor)

    def write(self, data: Any) -> int:
        """Take all of ``data``. It blocks only beyond 16 MiB that have not left.

        Raises:
            OSError: the system took no more, then or before.
        Switches: never.
        """
        copy = bytes(data)
        if self.error is None:
            self._queue.append(copy)
            self.size += len(copy)
            self._empty()
            if self.is_over:
                self.wait_blocking(LAST_S)
            elif self.size > TOO_MUCH:
                self.wait_blocking(None)
        if self.error is not None and not self.is_over:
            raise OSError(self.error.errno, self.error.strerror)
        return len(copy)

    @property
    def is_empty(self) -> bool:
        """Whether all has left, or will never."""
        return self.error is not None or not (self._queue or self._head)

    def wait(self) -> None:
        """Wait until all has left, or an error came. Switches: where it has to wait."""
        while not self.is_empty:
            self._waiters.wait(lambda: self.is_empty, LOOK_S)

    def wait_blocking(self, timeout_s: float | None) -> None:
        """As wait(), where no other light thread can run: it blocks the OS thread. Signal handlers run meanwhile."""
        ends_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not self.is_empty and (ends_s is None or time.monotonic() < ends_s):
            self._waiters.wait(lambda: self.is_empty, LOOK_S, blocks=True)

    # -- for the one that has the turn, which the OS thread takes over from the writer that starts it

    def _empty(self) -> None:
        while self._queue and self._turn.acquire(False):
            is_done = False
            try:
                is_done = self._write_while(0)
            finally:
                if is_done or not self._hand_over():
                    self._turn.release()
            if not is_done:
                return

    def _hand_over(self) -> bool:
        try:
            _hub.start_os_thread(self._catch_up, "lasa output")
        except RuntimeError:  # the system has no more of them, or the interpreter ends
            self._write_while(None)
            return False
        return True

    def _catch_up(self) -> None:
        while True:
            self._write_while(None)
            self._turn.release()
            if not self._queue or not self._turn.acquire(False):
                return

    def _write_while(self, timeout_ms: int | None) -> bool:
        # Write until all has left (True), or the descriptor takes nothing for so long (False).
        piece = SURE if timeout_ms == 0 else PIECE
        while True:
            if not self._head:
                try:
                    self._head = memoryview(self._queue.popleft())
                except IndexError:
                    self.size = 0
                    self._waiters.ring()
                    return True
                continue  # it may be empty
            try:
                if self._descriptor < 0:
                    raise OSError(errno.EBADF, os.strerror(errno.EBADF))
                if not self._takes_all and not self._poll.poll(timeout_ms):
                    return False
                sent = os.write(self._descriptor, self._head if self._takes_all else self._head[:piece])
            except BlockingIOError:
                if piece != SURE:
                    piece = SURE  # it is non-blocking, and has room for less
                    continue
                if timeout_ms == 0:
                    return False
                lock = _hub.OsLock()  # as much as it is said to have room for was too much: a little later
                lock.acquire()
                lock.acquire(True, RETRY_S)
            except OSError as error:
                self.error = error
                self._queue.clear()
                self._head = memoryview(b"")
                self._waiters.ring()
                return True
            else:
                self._head = self._head[sent:]
                self.size -= sent

    def _forget(self) -> None:
        # In a child: what has not left is the parent's to write, and so is the OS thread that writes it.
        self._queue.clear()
        self._head = memoryview(b"")
        self.size = 0
        self._turn = _hub.OsLock()
        self._waiters.forget()


_process.inherited(Outlet, Outlet._forget)


class StandardStreams:
    """sys.stdout and sys.stderr by way of outlets, for the length of a program.

    Those that the host has replaced stay as they are.
    """

    def __init__(self) -> None:
        """Replace the two."""
        self._previous = sys.stdout, sys.stderr
        self.outlets: list[Outlet] = []
        if sys.stdout is None:  # the descriptor was closed at the start, and its number may be anybody's by now
            sys.stdout = self._text(-1, None)
        elif _is_standard(sys.stdout, sys.__stdout__, 1):
            sys.stdout.flush()
            sys.stdout = self._text(1, sys.stdout)
        if sys.stderr is not None and _is_standard(sys.stderr, sys.__stderr__, 2):
            sys.stderr.flush()
            sys.stderr = self._text(2, sys.stderr)

    def _text(self, descriptor: int, model: Any) -> io.TextIOWrapper:
        outlet = Outlet(descriptor)
        self.outlets.append(outlet)
        is_buffered = model is None or not model.write_through  # as PYTHONUNBUFFERED asks for
        binary: Any = io.BufferedWriter(outlet, BUFFER) if is_buffered else outlet
        return io.TextIOWrapper(
            binary,
            encoding="utf-8" if model is None else model.encoding,
            errors="strict" if model is None else model.errors,
            line_buffering=model is not None and model.line_buffering,
            write_through=not is_buffered,
        )

    def finish(self, status: int) -> int:
        """Let the rest leave, put the streams back, and return the exit status: not 0 if anything was lost."""
        ours = sys.stdout, sys.stderr
        try:
            for stream in ours:
                try:
                    if stream is not None:
                        stream.flush()
                except (OSError, ValueError):
                    pass  # the outlet knows
            for outlet in self.outlets:
                outlet.wait_blocking(LAST_S if status >= 128 else None)
        except KeyboardInterrupt:
            status = 130
        finally:
            sys.stdout, sys.stderr = self._previous
        for outlet in self.outlets:
            outlet.is_over = True
            if outlet.error is None and outlet.is_empty:
                continue
            is_broken = outlet.error is not None and outlet.error.errno == errno.EPIPE
            if not status:
                status = 128 + SIGPIPE if is_broken else 1
            if not is_broken and outlet.error is not None and outlet.fileno() != 2 and sys.stderr is not None:
                print(f"lasa: cannot write to stdout: {outlet.error.strerror}", file=sys.stderr)
        return status


def write_now(stream: Any, data: bytes) -> bytes | None:
    """Write to sys.stdout or sys.stderr, whatever the host has there; return why that cannot be, None if it can."""
    try:
        buffer = getattr(stream, "buffer", None)
        if buffer is None:
            stream.write(data.decode("utf-8", "backslashreplace"))
        else:
            stream.flush()
            buffer.write(data)
            buffer.flush()
    except (OSError, ValueError, AttributeError) as error:  # None has no write()
        return why(error)
    return None


def why(error: Exception) -> bytes:
    """Return the word for an exception that a stream has raised."""
    return system_error(error).reason.encode() if isinstance(error, OSError) else b"closed"


def _is_standard(stream: Any, original: Any, descriptor: int) -> bool:
    try:
        return stream is original and stream.fileno() == descriptor
    except (OSError, ValueError):
        return False
