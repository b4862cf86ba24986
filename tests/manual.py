"""The tables of options in docs/: they are made of the declarations.

A table stands between ``<!-- options of lasa.http.client.ClientOptions -->`` and ``<!-- end -->``: what the class
itself declares, or several of them, in this order. ``python -m tests.manual`` writes them all.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
import sys
from pathlib import Path
from typing import Any

from lasa._options import Opt, declared
from lasa.http._client.policy import Policy, Tls
from lasa.http._server.limits import ServerLimits
from lasa.http._wire.exchange import Limits
from lasa.lua.settings import Settings
from lasa.websocket._socket.options import Options

__all__ = ["ROOT", "class_at", "declarations", "pages", "tables_of", "with_tables"]

ROOT = Path(__file__).parent.parent

# What holds the defaults of options, by their names, or by what they mean.
DEFAULTS: dict[str, tuple[object, ...]] = {
    "TlsOptions": (Tls(),),
    **dict.fromkeys(("WaitOptions", "ClientOptions", "CommonOptions"), (Policy(), Limits())),
    "LimitOptions": (ServerLimits(), Limits()),
    "MessageOptions": (Options(),),
}

_TABLE = re.compile(r"(<!-- options of ([\w. ]+) -->\n).*?(?=<!-- end -->)", re.S)
_MIB = 1024 * 1024


def pages() -> list[Path]:
    """Return the pages of the manual."""
    return sorted((ROOT / "docs").glob("*.md"))


def tables_of(text: str) -> list[str]:
    """Return the classes whose options a page has, by their paths."""
    return [path for match in _TABLE.finditer(text) for path in match[2].split()]


def with_tables(text: str) -> str:
    """Return a page with its tables as they should be."""
    return _TABLE.sub(lambda match: match[1] + _table(match[2]), text)


def declarations(options: ast.ClassDef) -> dict[str, str]:
    """Return the options that a class itself declares, each with the string below its key, or ""."""
    lines = {}
    for key, below in zip(options.body, [*options.body[1:], None], strict=True):
        if isinstance(key, ast.AnnAssign) and ast.unparse(key).partition(": ")[2].startswith("Annotated["):
            text = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else ""
            lines[ast.unparse(key.target)] = str(text)
    return lines


def _table(paths: str) -> str:
    return "| option | default | what it is |\n|---|---|---|\n" + "".join(map(_rows, map(class_at, paths.split())))


def class_at(path: str) -> type:
    """Return the class that a page names."""
    module, _, name = path.rpartition(".")
    found: type = getattr(importlib.import_module(module), name)
    return found


def _rows(options: type) -> str:
    file = sys.modules[options.__module__].__file__
    assert file is not None
    classes = [node for node in ast.parse(Path(file).read_text()).body if isinstance(node, ast.ClassDef)]
    (own,) = [node for node in classes if node.name == options.__name__]
    rows = []
    for name, line in declarations(own).items():
        _, opt = declared(options)[name]
        rows.append(f"| `{name}` | {_default(options, name, opt)} | {line} |\n".replace("|  |", "| |"))
    return "".join(rows)


def _default(options: type, name: str, opt: Opt) -> str:
    if options is Settings:
        return _as_written(getattr(Settings(), name))
    if opt.unset:
        return opt.unset.strip()
    value = opt.default
    holders = (options(),) if dataclasses.is_dataclass(options) else DEFAULTS.get(options.__name__, ())
    for holder in holders:
        for attribute in (name, opt.means):
            value = getattr(holder, attribute, value)
    return _shown(value, opt.unit)


def _as_written(value: object) -> str:
    if value is None or value == {}:
        return ""
    return ("off", "on")[value] if isinstance(value, bool) else str(value)


def _shown(value: Any, unit: str) -> str:
    if isinstance(value, bool):
        return str(value)
    if unit == "bytes" and isinstance(value, int) and value and value % _MIB == 0:
        return f"{value // _MIB} MiB"
    if isinstance(value, float):
        value = int(value) if value.is_integer() else value
    if isinstance(value, int | float):
        return f"{value:,} {unit}".strip()
    return f'`"{value}"`' if isinstance(value, str) else "none" if value == () else str(value)


if __name__ == "__main__":
    for page in pages():
        page.write_text(with_tables(page.read_text()))
