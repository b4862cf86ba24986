"""Without the extra ``lua`` the tests of Lua cannot be imported; one says what the user is told then."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

IMPORTABLE = {"test_without_lupa.py"}

if find_spec("lupa") is None:
    collect_ignore = [path.name for path in Path(__file__).parent.iterdir() if path.name not in IMPORTABLE]
