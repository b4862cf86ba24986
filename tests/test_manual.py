"""The manual has a line for each option, the one that stands at its declaration."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.manual import ROOT, class_at, declarations, pages, tables_of, with_tables

# What the manual tells elsewhere, in other words.
ELSEWHERE = {"WholeRequest", "DetachOptions"}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_tables_of_options_are_those_of_the_declarations(page: Path) -> None:
    assert page.read_text() == with_tables(page.read_text()), "python -m tests.manual writes them"


def declared() -> dict[str, dict[str, str]]:
    """Return the classes of lasa that declare options, and their lines."""
    found = {}
    for path in (ROOT / "lasa").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and (lines := declarations(node)):
                found[node.name] = lines
    return found


def test_each_option_has_a_line_which_is_a_sentence() -> None:
    for options, lines in declared().items():
        for name, line in lines.items():
            assert line[-1:] == ".", f"{options}.{name}"
            assert not set(line) & set("\n|"), f"{options}.{name}"


def test_the_manual_has_all_of_them() -> None:
    shown = {class_at(path).__name__ for page in pages() for path in tables_of(page.read_text())}
    assert set(declared()) - shown == ELSEWHERE
