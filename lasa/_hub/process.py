"""What a process does with gevent once: patch the standard library, and go on after a fork."""

from __future__ import annotations

from gevent import monkey, reinit
from gevent._hub_local import get_hub_if_exists

__all__ = ["patch_all", "renew_after_fork"]


def patch_all() -> None:
    """Let the standard library's blocking calls wait in the hub; before the program that makes them is imported."""
    if not monkey.is_module_patched("socket"):
        monkey.patch_all()


def renew_after_fork() -> None:
    """Make a hub that the parent process had begun to use fit for this one; nothing happens if there is none."""
    if get_hub_if_exists() is not None:
        reinit()
