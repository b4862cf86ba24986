"""The table of OpenResty's calls: docs/lua-calls.toml, and the page that is made of it.

``python -m tests.lua.calls`` writes docs/lua-calls.md.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests.lua.parity.differences import DIFFERENCES
from tests.lua.parity.script import SCRIPTS
from tests.processes import ROOT

__all__ = ["DATA", "PAGE", "STATES", "Row", "Section", "page", "read", "place_of_test"]

DATA = ROOT / "docs" / "lua-calls.toml"
PAGE = ROOT / "docs" / "lua-calls.md"

_FOLDER = SCRIPTS.relative_to(ROOT).as_posix()

STATES = {"same": "same", "differs": "differs", "absent": "absent", "own": "lasa's own"}

INTRODUCTION = """\
# OpenResty's calls in lasa

Every `ngx.*` call, variable, module and directive of OpenResty (lua-nginx-module, lua-resty-core, and the libraries
that scripts without nginx need), and what lasa makes of it: {same} are the same, {differs} differ, {absent} are absent,
{own} are lasa's own.

- **same**: it does what it does in OpenResty, and a test holds it to that: most of them are small scripts that are run
  by lasa and by a real nginx (lua-nginx-module 0.10.23), whose outputs must be equal byte for byte.
- **differs**: it is there, and this says what is different. What is not said is the same.
- **absent**: nothing in lasa could answer it, as lasa has no nginx behind it. A call that OpenResty always has raises
  an error that says what to use instead; a module cannot be required.
- **lasa's own**: what OpenResty does not have.

[lua.md](lua.md) is the manual. This page is made from [lua-calls.toml](lua-calls.toml) by `python -m tests.lua.calls`.
"""


KNOWN_DIFFERENCES = """\
## Scripts whose output differs

Of the scripts that lasa and a real nginx run, these are known to say something else.
"""


@dataclass(frozen=True)
class Row:
    """One call: the keys are described in the file."""

    name: str
    state: str
    how: str = ""
    test: str = ""
    setting: str = ""
    example: str | None = None


@dataclass(frozen=True)
class Section:
    """Calls that belong together; ``kind`` is "module" or "directive" for what is no call."""

    title: str
    calls: Sequence[Row]
    text: str = ""
    kind: str = "call"


def read() -> list[Section]:
    """Read the data."""
    sections = tomllib.loads(DATA.read_text())["section"]
    return [Section(**{**section, "calls": [Row(**row) for row in section["calls"]]}) for section in sections]


def place_of_test(row: Row) -> tuple[Path, str]:
    """Return the file with a row's test, and the name of the function in it, "" for a parity script."""
    path, _, function = row.test.partition("::")
    return (ROOT / path if function else SCRIPTS / path), function


def page() -> str:
    """Return the page."""
    sections = read()
    states = [row.state for section in sections for row in section.calls]
    lines = [INTRODUCTION.format(**{state: states.count(state) for state in STATES})]
    for section in sections:
        lines += [f"## {section.title}", ""]
        if section.text:
            lines += [section.text, ""]
        has_settings = section.kind == "directive"
        lines += (
            ["| directive | setting | | |", "|---|---|---|---|"] if has_settings else ["| call | | |", "|---|---|---|"]
        )
        for (state, test, how, setting), rows in groupby(section.calls, _what_is_said):
            cells = [", ".join(f"`{row.name}`" for row in rows)]
            if has_settings:
                cells.append(f"`{setting}`" if setting else "")
            lines.append("| " + " | ".join([*cells, _state(state, test), how.replace("|", "\\|")]) + " |")
        lines.append("")
    lines += [KNOWN_DIFFERENCES, "| script | what is different |", "|---|---|"]
    lines += [f"| {_script(name)} | {reason} |" for name, reason in sorted(DIFFERENCES.items())]
    return "\n".join([*lines, ""])


def _what_is_said(row: Row) -> tuple[str, str, str, str]:
    return row.state, row.test.partition("::")[0], row.how, row.setting


def _state(state: str, test: str) -> str:
    if not test:
        return STATES[state]
    return f"[{STATES[state]}](../{test if test.startswith('tests/') else f'{_FOLDER}/{test}'})"


def _script(name: str) -> str:
    return f"[{name}](../{_FOLDER}/{name}.lua)"


if __name__ == "__main__":
    PAGE.write_text(page())
