"""The picture in docs/architecture.md is true: imports go down, and only lasa/_hub knows gevent."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lasa

ROOT = Path(lasa.__file__).parent

# What stands on what; a part may import parts of its own rank or below, a folder's own modules always.
RANK = {
    "errors": 0,
    "_values": 0,
    "codec": 0,
    "log": 0,
    "_hub": 1,
    "thread": 2,
    "coroutine": 2,
    "timer": 2,
    "semaphore": 2,
    "socket": 3,
    "_program": 3,
    "http": 4,
    "_serve": 5,
    "cli": 5,
    "__init__": 6,
    "__main__": 6,
}

# Parts of one rank that do not know each other.
STRANGERS = {
    ("timer", "semaphore"),
    ("timer", "coroutine"),
    ("semaphore", "thread"),
    ("semaphore", "timer"),
    ("_program", "socket"),
}

# The rooms of lasa/http, and which parts of lasa.http each may know.
ROOMS = {"_wire": {"_wire"}, "_client": {"_wire", "_client"}, "_server": {"_wire", "_server", "server"}}


def lasa_modules() -> list[Path]:
    return sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def part_of(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


def imported_names(path: Path) -> set[str]:
    """Every module that the file imports, ``from lasa import thread`` as "lasa.thread"."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            module = node.module or ""
            names |= {f"{module}.{alias.name}" for alias in node.names} if module == "lasa" else {module}
    return names


@pytest.mark.parametrize("path", lasa_modules(), ids=str)
def test_module_imports_only_its_own_layer_or_below(path: Path) -> None:
    own = part_of(path)
    for name in imported_names(path):
        if name.split(".")[0] != "lasa" or name == "lasa":
            continue
        part = name.split(".")[1]
        assert RANK[part] <= RANK[own], f"{path} reaches up to lasa.{part}"
        assert (own, part) not in STRANGERS, f"{path} should not know lasa.{part}"


@pytest.mark.parametrize("room", ROOMS)
def test_client_and_server_of_http_do_not_know_each_other(room: str) -> None:
    for path in lasa_modules():
        if path.parts[:2] == ("http", room):
            known = {name.split(".")[2] for name in imported_names(path) if name.startswith("lasa.http.")}
            assert known <= ROOMS[room], path


@pytest.mark.parametrize("path", lasa_modules(), ids=str)
def test_only_the_hub_imports_gevent_and_greenlet(path: Path) -> None:
    foreign = {name for name in imported_names(path) if name.split(".")[0] in ("gevent", "greenlet")}
    assert not foreign or part_of(path) == "_hub"


@pytest.mark.parametrize("path", lasa_modules(), ids=str)
def test_module_says_what_it_is_for_and_what_it_offers(path: Path) -> None:
    tree = ast.parse((ROOT / path).read_text())
    assert ast.get_docstring(tree)
    defines_all = any(
        isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__"
        for node in tree.body
    )
    assert defines_all or path.name == "__main__.py"


def test_every_public_callable_has_a_docstring_that_says_where_it_switches() -> None:
    missing = []
    modules = [lasa, lasa.thread, lasa.coroutine, lasa.timer, lasa.semaphore, lasa.socket]
    owners: list[object] = [*modules, lasa.socket.TcpSocket, lasa.socket.UdpSocket, lasa.semaphore.Semaphore]
    pure = set(lasa.codec.__all__) | {
        "log",
        "set_limits",
    }  # codecs and logging: their module says that nothing switches
    for owner in owners:
        names = getattr(owner, "__all__", None) or [name for name in dir(owner) if not name.startswith("_")]
        for name in names:
            value = getattr(owner, name)
            if not callable(value) or isinstance(value, type) or name in pure:
                continue
            text = value.__doc__ or ""
            if "Switches" not in text and "As " not in text and "Do nothing" not in text:
                missing.append(f"{getattr(owner, '__name__', owner)}.{name}")
    assert missing == []
