"""How long to wait before another attempt, the longer the more have failed. No clock, no chance: both are arguments."""

from __future__ import annotations

from typing import Final

__all__ = ["backoff_s"]

DOUBLINGS_MAX: Final = 64  # beyond any maximum that makes sense


def backoff_s(doublings: int, first_s: float, longest_s: float, spread: float, chance: float) -> float:
    """Return a wait that doubles with each attempt, up to a maximum, and then a part by chance.

    Clients that have lost one server at the same moment should not all come back at the same moment.

    Args:
        doublings: how often it has doubled; a number below 0 stands for 0.
        first_s: the first wait.
        longest_s: the maximum, before chance has its part.
        spread: what chance adds to the wait at most, as a part of it; below 0, what chance takes away.
        chance: a random number from 0 to 1.
    """
    return min(first_s * 2.0 ** min(max(doublings, 0), DOUBLINGS_MAX), longest_s) * (1 + spread * chance)
