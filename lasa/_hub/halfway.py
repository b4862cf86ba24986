"""Whether the caller comes in the middle of a wait, as a signal handler or a finalizer may: they run anywhere.

Its greenlet may stand in a queue then, or be the waiter of a gate, for the wait that it is in the middle of. If it let
others run of its own accord, it would be woken here in that one's place.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType

__all__ = ["calls_users", "is_halfway"]

# What makes a light thread wait; no code of a user's is called by these, with the exceptions below.
_WAITS = (
    "lasa._hub.",
    "lasa.semaphore",
    "lasa._channel",
    "lasa.thread",
    "lasa.coroutine",
    "gevent.hub",
    "gevent.timeout",
)

_call_users: set[CodeType] = set()


def calls_users(code: CodeType) -> None:
    """Note that ``code``, of a module that makes light threads wait, calls functions of users."""
    _call_users.add(code)


def is_halfway() -> bool:
    """Whether code that is not lasa's has called us in the middle of a wait.

    It looks at the whole stack: for those alone who are about to let others run of their own accord.
    Switches: never.
    """
    frame: FrameType | None = sys._getframe(1)
    is_ours = True  # the call itself
    while frame is not None:
        name = frame.f_globals.get("__name__") or ""
        if is_ours:
            is_ours = name.startswith("lasa.")
        elif name.startswith(_WAITS) and frame.f_code not in _call_users:
            return True
        frame = frame.f_back
    return False
