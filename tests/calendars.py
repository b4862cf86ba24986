"""What the tests of lasa.timer share; the fixture ``fresh_calendar`` is in conftest.py."""

from __future__ import annotations

from lasa.timer import Timer

__all__ = ["make"]


def make(result: tuple[Timer | None, str | None]) -> Timer:
    handle, err = result
    assert (type(handle), err) == (Timer, None)
    assert handle is not None
    return handle
