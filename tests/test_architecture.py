"""The picture in docs/architecture.md is true: imports go down, and only lasa/_hub knows gevent."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lasa
from lasa import websocket

ROOT = Path(lasa.__file__).parent

# What stands on what; a part may import parts of its own rank or below, a folder's own modules always.
RANK = {
    "errors": 0,
    "_backoff": 0,
    "_process": 0,
    "_address": 0,
    "_functions": 0,
    "_values": 0,
    "_options": 0,
    "codec": 0,
    "log": 0,
    "_hub": 1,
    "thread": 2,
    "coroutine": 2,
    "timer": 2,
    "semaphore": 2,
    "_channel": 2,
    "_stream": 3,
    "socket": 4,
    "_life": 3,
    "_detached": 3,
    "_to_thread": 3,
    "_program": 3,
    "_stdio": 3,
    "http": 5,
    "websocket": 6,
    "lua": 7,
    "_serve": 8,
    "_served": 8,
    "cli": 8,
    "__init__": 9,
    "__main__": 9,
}

# Imports that lead up, and where they stand: not before somebody asks for them, or for type checkers only.
DOORS_UP = {
    ("http/_server/request.py", "lasa.websocket.server"): "def websocket",
    ("http/_server/request.py", "lasa.websocket"): "if TYPE_CHECKING",
    ("_detached.py", "lasa.lua"): "def run",
}

# Parts of one rank that do not know each other.
STRANGERS = {
    ("timer", "semaphore"),
    ("timer", "coroutine"),
    ("semaphore", "thread"),
    ("semaphore", "timer"),
    ("_channel", "thread"),
    ("_channel", "timer"),
    ("_channel", "semaphore"),
    ("_life", "socket"),
    ("_program", "socket"),
    ("_detached", "socket"),
    ("_to_thread", "socket"),
}

# The rooms of a folder, and which parts of it each may know.
ROOMS = {
    ("http", "_wire"): {"_wire"},
    ("http", "_client"): {"_wire", "_client"},
    ("http", "_server"): {"_wire", "_server", "server"},
    ("websocket", "_wire"): {"_wire"},
    ("websocket", "_socket"): {"_wire", "_socket"},
}

# What WebSocket knows of lasa.http: a room what all its modules may, a module what is its own.
WEBSOCKET_KNOWS_OF_HTTP = {
    "_wire": {"_wire.errors", "_wire.fields", "_wire.grammar", "_wire.heads", "_wire.pieces"},
    "_wire/handshake.py": {"_wire.auth"},
    "_wire/uri.py": {"_wire.target"},  # one reading of URLs for both
    "_socket": {"_wire.pieces"},
    "_socket/opening.py": {  # the way to a server, and its answer
        "_client.options",
        "_client.policy",
        "_client.response",
        "_client.route",
        "_client.stream",
        "_wire.auth",
        "_wire.conduit",
        "_wire.errors",
        "_wire.exchange",
        "_wire.fields",
        "_wire.target",
    },
    "client.py": {"_client.response"},
    "server.py": {"server", "_server.request", "_server.service", "_wire.errors", "_wire.fields"},
}

# What Lua knows of the inside of the rest: a module what is its own.
LUA_KNOWS_INSIDE = {
    "_client.py": {
        "http._server.answer",
        "http._server.outgoing",
        "http._server.request",
        "http._wire.fields",
        "socket._reading",
    },
    "_request.py": {"http._server.request"},
    "serving.py": {"http._server.request", "http._server.service"},  # a handler is what the server calls
}

# Parts whose whole door is for the inside of lasa.
PRIVATE_PARTS = {
    "_hub",
    "_process",
    "_functions",
    "_values",
    "_options",
    "_channel",
    "_life",
    "_detached",
    "_to_thread",
    "_program",
    "_stdio",
    "_stream",
    "_address",
}

# Modules below lasa/lua that know neither a runtime nor Lua.
LUA_CORES = {
    "_cpath.py",
    "_levels.py",
    "_libcrypto.py",
    "_linked.py",
    "_luajit.py",
    "_pem.py",
    "_resolver.py",
    "_script.py",
    "_slab.py",
    "_tls.py",
    "settings.py",
    "watchdog.py",
}

# Who asks the machine what time it is; all others ask the hub's clock, which can be replaced.
KNOWS_THE_MACHINES_TIME = {
    "_hub/clock.py": "it is what stands behind the hub's clock",
    "_hub/core.py": "slices say how long the machine was busy",
    "_hub/turns.py": "likewise",
    "_hub/virtual.py": "it takes the time over from it, and tells the other OS threads'",
    "_hub/worker.py": "likewise",
    "_detached.py": "it holds up the OS thread, at the end of the process",
    "_program.py": "a signal of the system's looks at those who hold it up",
    "_stdio.py": "it holds up the OS thread",
    "lua/watchdog.py": "an OS thread that watches the others",
}
CLOCKS = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"}

# Cores that a core may stand on; all else below http has sockets, the hub or the clock in it.
CORES_BELOW_HTTP = {"_functions", "_process", "errors", "_values", "codec", "_address", "_options"}


def lasa_modules() -> list[Path]:
    return sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def part_of(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


def imported_names(path: Path) -> set[str]:
    """Every module that the file imports, ``from lasa import thread`` as "lasa.thread"; doors up left out."""
    return {name for name in all_imported_names(path) if (path.as_posix(), name) not in DOORS_UP}


def all_imported_names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            module = node.module or ""
            inside = {f"{module}.{alias.name}" for alias in node.names}
            names |= inside if module == "lasa" else {name if is_module(name) else module for name in inside}
    return names


def is_module(name: str) -> bool:
    path = ROOT.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def parts_known(path: Path, package: str) -> set[str]:
    """The parts of a package that the file imports: "_wire.fields" of "lasa.http._wire.fields"."""
    prefix = f"lasa.{package}."
    return {name.removeprefix(prefix) for name in imported_names(path) if name.startswith(prefix)}


@pytest.mark.parametrize("path", lasa_modules(), ids=str)
def test_module_imports_only_its_own_layer_or_below(path: Path) -> None:
    own = part_of(path)
    for name in imported_names(path):
        if name.split(".")[0] != "lasa" or name == "lasa":
            continue
        part = name.split(".")[1]
        assert RANK[part] <= RANK[own], f"{path} reaches up to lasa.{part}"
        assert (own, part) not in STRANGERS, f"{path} should not know lasa.{part}"


@pytest.mark.parametrize(("folder", "room"), ROOMS)
def test_a_room_knows_only_those_it_stands_on(folder: str, room: str) -> None:
    paths = [path for path in lasa_modules() if path.parts[:2] == (folder, room)]
    assert paths
    for path in paths:
        known = {name.split(".")[0] for name in parts_known(path, folder)}
        assert known <= ROOMS[folder, room], path


def test_what_websocket_knows_of_http_is_written_down() -> None:
    used: dict[str, set[str]] = {place: set() for place in WEBSOCKET_KNOWS_OF_HTTP}
    for path in lasa_modules():
        if path.parts[0] != "websocket":
            continue
        module, room = "/".join(path.parts[1:]), path.parts[1]
        for name in parts_known(path, "http"):
            place = room if name in WEBSOCKET_KNOWS_OF_HTTP.get(room, ()) else module
            used.setdefault(place, set()).add(name)
    assert used == WEBSOCKET_KNOWS_OF_HTTP


def test_the_cores_of_websocket_know_no_sockets_and_no_hub() -> None:
    for path in lasa_modules():
        if path.parts[:2] == ("websocket", "_wire"):
            known = {name.removeprefix("lasa.") for name in imported_names(path) if name.startswith("lasa.")}
            below = {name for name in known if name.split(".")[0] not in ("http", "websocket")}
            assert below <= CORES_BELOW_HTTP, path
            assert not imported_names(path) & {"socket", "_socket", "select", "time"}, path


def test_what_lua_knows_of_the_inside_of_others_is_written_down() -> None:
    used: dict[str, set[str]] = {}
    for path in lasa_modules():
        if path.parts[0] != "lua":
            continue
        names = {name.removeprefix("lasa.") for name in imported_names(path) if name.startswith("lasa.")}
        inside = {name for name in names if ("._" in name or name[0] == "_") and not name.startswith("lua.")}
        inside -= {name for name in inside if name.split(".")[0] in PRIVATE_PARTS}
        if inside:
            used["/".join(path.parts[1:])] = inside
    assert used == LUA_KNOWS_INSIDE


def test_the_cores_of_lua_know_no_runtime() -> None:
    for path in lasa_modules():
        if path.parts[0] == "lua" and "/".join(path.parts[1:]) in LUA_CORES:
            inside = {name for name in imported_names(path) if name.startswith("lasa.lua")}
            below = ("settings", "_levels", "_luajit", "_libcrypto", "_pem")
            assert inside <= {f"lasa.lua.{name}" for name in below}, path


@pytest.mark.parametrize("path", lasa_modules(), ids=str)
def test_only_lua_imports_lupa(path: Path) -> None:
    assert not {name for name in imported_names(path) if name.split(".")[0] == "lupa"} or part_of(path) == "lua"


def test_nothing_loads_lua_before_somebody_asks_for_it() -> None:
    modules = "lasa, lasa.cli, lasa._serve, lasa._detached, lasa.http.gunicorn"
    script = f"import sys, {modules}; sys.exit(any(name.startswith(('lasa.lua', 'lupa')) for name in sys.modules))"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT.parent, check=True)


@pytest.mark.parametrize(("path", "name"), DOORS_UP)
def test_a_door_up_stands_where_it_is_said_to(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    places = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.If):
            header = f"def {node.name}" if isinstance(node, ast.FunctionDef) else f"if {ast.unparse(node.test)}"
            places += [header for inner in node.body if isinstance(inner, ast.ImportFrom) and inner.module == name]
    assert places == [DOORS_UP[path, name]]
    everywhere = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == name]
    assert len(everywhere) == 1


def test_an_http_server_loads_no_websocket_before_somebody_asks_for_one() -> None:
    script = "import sys, lasa.http.server; sys.exit(any(name.startswith('lasa.websocket') for name in sys.modules))"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT.parent, check=True)


@pytest.mark.parametrize("path", lasa_modules(), ids=str)
def test_only_the_hub_imports_gevent_and_greenlet(path: Path) -> None:
    foreign = {name for name in imported_names(path) if name.split(".")[0] in ("gevent", "greenlet")}
    assert not foreign or part_of(path) == "_hub"


def test_only_those_who_are_named_ask_the_machine_what_time_it_is() -> None:
    assert {path.as_posix() for path in lasa_modules() if asks_the_machine(path)} == set(KNOWS_THE_MACHINES_TIME)


def asks_the_machine(path: Path) -> bool:
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS and ast.unparse(node.value) == "time":
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "time" and CLOCKS & {alias.name for alias in node.names}:
            return True
        # What stands there can be replaced, so nobody may keep it.
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lasa._hub"):
            assert not {"monotonic_s", "system_s"} & {alias.name for alias in node.names}, path
    return False


@pytest.mark.parametrize("path", lasa_modules(), ids=str)
def test_module_says_what_it_is_for_and_what_it_offers(path: Path) -> None:
    tree = ast.parse((ROOT / path).read_text())
    assert ast.get_docstring(tree)
    assert "__all__" in assigned_names(tree) or path.name == "__main__.py"


def assigned_names(tree: ast.Module) -> set[str]:
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    targets += [node.target for node in tree.body if isinstance(node, ast.AnnAssign) and node.value is not None]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def test_every_public_callable_has_a_docstring_that_says_where_it_switches() -> None:
    missing = []
    owners: list[object] = [lasa, lasa.thread, lasa.coroutine, lasa.timer, lasa.semaphore, lasa.socket]
    owners += [lasa.Channel, lasa.Detached, lasa.socket.TcpSocket, lasa.socket.UdpSocket, lasa.semaphore.Semaphore]
    owners += [websocket, websocket.client, websocket.server]
    owners += [websocket.WebSocket, websocket.client.ClientWebSocket, websocket.client.Reconnecting]
    owners += [websocket.server.Server, websocket.server.ServerWebSocket]
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


def test_nobody_imports_past_the_door_of_the_floor() -> None:
    for path in lasa_modules():
        if path.parts[0] != "_stream":
            past = {name for name in imported_names(path) if name.startswith("lasa._stream.")}
            assert not past, path


# The doors of the seed's face, which answer in tuples; what is inside of lasa raises and is not asked by them.
TUPLE_DOORS = set(
    re.findall(
        r"\w+",
        """
        accept bind close connect get head listen listen_on new post put receive receive_pieces receiveany receivefrom
        recv_frame request resume run send send_binary send_close send_frame send_ping send_pong send_text sendto
        set_keepalive setclientcert setkeepalive setoption setpeername setsockname shutdown sslaccept sslhandshake
        tlshandshake wait
        """,
    )
)

# Of the same class; and what resume() is for wrap().
MAY_UNPACK = {"_channel.py": "receive", "coroutine.py": "resume"}


def unpacked_calls(tree: ast.Module) -> list[str]:
    """Calls whose result is taken apart: ``a, b = x.f()``, ``x.f()[0]``; and every call of check()."""
    calls: list[ast.expr] = []
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Assign) and any(isinstance(target, ast.Tuple) for target in node.targets)
        ) or isinstance(node, ast.Subscript):
            calls.append(node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "check":
            calls.append(node)
    names = [call.func for call in calls if isinstance(call, ast.Call)]
    methods = [name.attr for name in names if isinstance(name, ast.Attribute)]
    functions = [name.id for name in names if isinstance(name, ast.Name)]
    return sorted(
        name for name in methods + functions if name in TUPLE_DOORS or (name == "check" and name in functions)
    )


def test_no_code_inside_asks_by_a_door_that_answers_in_tuples() -> None:
    used = {}
    for path in lasa_modules():
        if path.parts[0] == "lua" or path.as_posix() == "errors.py":
            continue  # Lua's cosockets are a face of the seed's
        calls = unpacked_calls(ast.parse((ROOT / path).read_text()))
        if calls:
            used[path.as_posix()] = " ".join(calls)
    assert used == MAY_UNPACK
