"""What a process does with gevent once: patch the standard library, and go on after a fork."""

from __future__ import annotations

import threading
from typing import Any

from gevent import monkey, reinit
from gevent._hub_local import get_hub_if_exists

__all__ = ["claim_main_thread", "patch_all", "renew_after_fork"]


def patch_all() -> None:
    """Let the standard library's blocking calls wait in the hub; before the program that makes them is imported."""
    if not monkey.is_module_patched("socket"):
        monkey.patch_all()


def claim_main_thread() -> None:
    """Have the threading module take the calling greenlet, the main one, for the main thread again.

    Where the standard library is patched in another greenlet, gevent takes that one for it, and the interpreter would
    wait for it at its end.
    """
    if monkey.is_module_patched("threading"):
        main_thread: Any = threading.main_thread()
        main_thread._ident = threading.get_ident()


def renew_after_fork() -> None:
    """Make a hub that the parent process had begun to use fit for this one; nothing happens if there is none."""
    if get_hub_if_exists() is not None:
        reinit()
