"""How late a light thread is that sleeps 10 ms at a time beside a driver that never has to wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import lasa
from lasa.thread import kill, spawn

__all__ = ["NAP_S", "most_held_up_s"]

NAP_S: Final = 0.01
NAPS: Final = 20


def most_held_up_s(drive: Callable[[], object], naps: int = NAPS, at_most_s: float = 5.0) -> float:
    """Run ``drive`` in a light thread beside one that sleeps; return for how long it was held up at the most.

    That is measured by the CPU time of this OS thread that a nap took beyond its length: what others on the machine
    do costs none.
    """
    ends_s = time.monotonic() + at_most_s
    driver = spawn(drive)
    began_s = time.thread_time()
    most_s = 0.0
    taken = 0
    try:
        while taken < naps and not driver.is_over:
            before_s = time.thread_time()
            lasa.sleep(NAP_S)
            most_s = max(most_s, time.thread_time() - before_s - NAP_S)
            taken += 1
            assert time.monotonic() < ends_s or taken == naps, f"{taken} naps in {at_most_s} s"
    finally:
        if driver.is_over:
            outcome = lasa.thread.wait(driver)
            assert taken == naps, f"the driver ended: {outcome}"
        else:
            kill(driver)
    assert time.thread_time() - began_s > naps * NAP_S / 10, "the driver was not busy"
    return most_s
