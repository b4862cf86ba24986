"""The table of OpenResty's calls says what is true of a live runtime."""

from __future__ import annotations

import ast
import sys
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from lasa.lua import Settings
from tests.lua.calls import PAGE, STATES, Row, page, place_of_test, read
from tests.lua.parity.differences import DIFFERENCES
from tests.lua.parity.oracle import say
from tests.lua.tools import run_lua
from tests.processes import ROOT
from tests.servers import free_port, running

SECTIONS = read()
ROWS = [row for section in SECTIONS for row in section.calls]
CALLS = [row for section in SECTIONS if section.kind == "call" for row in section.calls]
MODULES = [row for section in SECTIONS if section.kind == "module" for row in section.calls]
DIRECTIVES = [row for section in SECTIONS if section.kind == "directive" for row in section.calls]

# How what the table calls by another name is reached in Lua.
VALUES = {
    "tcpsock": "getmetatable(ngx.socket.tcp()).__index",
    "udpsock": "getmetatable(ngx.socket.udp()).__index",
    "sema": 'getmetatable(require("ngx.semaphore").new()).__index',
    "hc": "getmetatable(lasa.http.client.new()).__index",
    "wb": "getmetatable(lasa.websocket.client.new()).__index",
    "wbserver": 'getmetatable(lasa.websocket.server.new("127.0.0.1:0")).__index',
    "channel": "getmetatable(lasa.channel(1)).__index",
    "detached": 'getmetatable(lasa.detach { content_by_lua = "" }).__index',
    "ngx.shared.DICT": "getmetatable(ngx.shared.cats).__index",
}
INSTANCES = {"ngx.shared.DICT": "ngx.shared.cats", "ngx.arg": "ngx.arg[1]"}
REQUIRED = (
    "ngx.semaphore",
    "ngx.re",
    "ngx.base64",
    "ngx.errlog",
    "ngx.process",
    "ngx.ssl",
    "ngx.ssl.session",
    "ngx.ssl.clienthello",
    "ngx.balancer",
    "ngx.ocsp",
    "ngx.pipe",
    "cjson",
    "resty.string",
    "resty.md5",
    "resty.sha1",
    "resty.sha224",
    "resty.sha256",
    "resty.sha384",
    "resty.sha512",
    "resty.random",
    "resty.aes",
    "resty.lrucache",
    "resty.lock",
)

# Tables whose public names must all have rows.
WALKED = [
    *(
        "ngx",
        "ngx.req",
        "ngx.resp",
        "ngx.thread",
        "ngx.timer",
        "ngx.socket",
        "ngx.config",
        "ngx.worker",
        "ngx.location",
    ),
    *("lasa", "lasa.thread", "lasa.timer", "lasa.semaphore", "lasa.socket", "lasa.http", "lasa.http.client"),
    *("lasa.websocket", "lasa.websocket.client", "lasa.websocket.server", "coroutine", *VALUES, *REQUIRED),
]

# Names that are no calls: what a module is called and which version it has.
NO_CALLS = {"version"}

PROBE = """
local function kind_of(f)
    local ok, value = pcall(f)
    if not ok then return "raises " .. tostring(value) end
    return type(value), value
end

local function call(f)
    local kind, value = kind_of(f)
    if kind == "function" then
        local ok, err = pcall(value)
        return kind .. " " .. (ok and "" or tostring(err))
    end
    return kind
end

local function names(f)
    local found = {}
    for name in pairs(f()) do found[#found + 1] = tostring(name) end
    return table.concat(found, " ")
end

ngx.req.read_body()
ngx.header.x_a = "b"
local said = {}
local function say(name, text) said[#said + 1] = name .. "\\t" .. text:gsub("%s+", " ") end
"""


@cache
def module_of(name: str) -> str:
    """The module that a name is of, "" if it is of none."""
    return max((module for module in REQUIRED if name.startswith(f"{module}.")), key=len, default="")


def expression(name: str) -> str:
    """How Lua reaches what the table calls so."""
    owner, colon, method = name.partition(":")
    if colon:
        return f"{VALUES[owner]}.{method}"
    if name.startswith("ngx.re.") and name.split(".")[-1] not in ("split", "opt"):
        return name  # a table besides the module
    if name.startswith("ngx.shared.DICT."):
        return f"{VALUES['ngx.shared.DICT']}.{name.rsplit('.', 1)[1]}"
    if name in INSTANCES:
        return INSTANCES[name]
    if name.startswith("table.") or name in ("resty.lrucache.pureffi", "thread.exdata", "bit", "ffi", "jit"):
        return f'require("{name}")'
    module = module_of(name)
    if module:
        return f'require("{module}").{name.removeprefix(module + ".")}'
    return name


def probe() -> str:
    """A handler that says of each row what there is, and of each table what is in it."""
    lines = [PROBE]
    for row in CALLS:
        name = f"ngx.var.{row.example}" if row.example else row.name
        asks = "call" if row.state == "absent" else "kind_of"
        lines.append(f"say({lua(row.name)}, ({asks}(function() return {expression(name)} end)))")
    for row in MODULES:
        lines.append(f"say({lua('module ' + row.name)}, (kind_of(function() return require({lua(row.name)}) end)))")
    for name in WALKED:
        value = VALUES.get(name) or (f'require("{name}")' if name in REQUIRED else name)
        lines.append(f"say({lua('in ' + name)}, names(function() return {value} end))")
    return "\n".join([*lines, 'ngx.print(table.concat(said, "\\n"))'])


def lua(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


REQUEST = b"""POST /path?a=1 HTTP/1.1\r
Host: a.test\r
Cookie: c=1\r
Content-Type: text/plain\r
Content-Length: 4\r
Connection: close\r
\r
body"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a handler says of each row."""
    folder = tmp_path_factory.mktemp("serve")
    script = folder / "probe.lua"
    script.write_text(probe())
    port = free_port()
    command = [sys.executable, "-m", "lasa", "serve", str(script), "--listen", f"127.0.0.1:{port}"]
    command += ["--set", "shared_dict.cats=1m"]
    with running(["env", "-C", str(ROOT), *command], port, folder=str(folder)):
        answer = say(port, REQUEST)
    assert " 200 " in answer.status, (folder / "server.log").read_text()
    lines = answer.body.decode().split("\n")
    return dict(line.split("\t", 1) for line in lines)


def test_the_page_is_made_of_the_data() -> None:
    assert PAGE.read_text() == page(), "python -m tests.lua.calls"


def test_every_row_says_what_its_state_demands() -> None:
    names = [row.name for section in SECTIONS if section.kind != "module" for row in section.calls]
    assert sorted(names) == sorted(set(names))
    for row in ROWS:
        assert row.state in STATES, row.name
        assert bool(row.how) == (row.state != "same"), row.name
        assert row.test or row.state != "same", row.name


def test_every_test_that_is_named_is_there() -> None:
    for row in ROWS:
        if row.test:
            path, function = place_of_test(row)
            assert path.is_file(), row
            assert not function or function in functions_of(path), row


def test_no_row_is_called_the_same_by_a_script_that_differs() -> None:
    assert [row for row in ROWS if row.state == "same" and row.test.removesuffix(".lua") in DIFFERENCES] == []


@cache
def functions_of(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def test_what_is_there_is_there_and_what_is_absent_says_so(answers: dict[str, str]) -> None:
    wrong = {row.name: answers[row.name] for row in CALLS if not is_true(row, answers[row.name])}
    wrong |= {row.name: said for row in MODULES if not is_true(row, said := answers[f"module {row.name}"])}
    assert wrong == {}


def is_true(row: Row, said: str) -> bool:
    if row.state == "absent":
        complaints = (f"{row.name} is absent, since lasa has no nginx behind it: ", f"module '{row.name}' not found")
        return said == "nil" or any(complaint in said for complaint in complaints)
    if row.example == "":  # a variable that this request does not have
        return said == "nil"
    return said != "nil" and not said.startswith("raises")


def test_every_name_that_a_script_can_see_has_a_row(answers: dict[str, str]) -> None:
    known = {row.name for row in ROWS} | set(WALKED) | {row.name.rpartition(".")[0] for row in ROWS}
    missing = []
    for table in WALKED:
        separator = ":" if table in VALUES and "." not in table else "."
        for name in answers[f"in {table}"].split():
            is_public = not name.startswith("_") and name not in NO_CALLS
            if is_public and f"{table}{separator}{name}" not in known:
                missing.append(f"{table}{separator}{name}")
    assert sorted(missing) == []


# What is no function in OpenResty either.
USERDATA = {"ngx.null", "lasa.null", "cjson.null", "cjson.empty_array", "cjson.safe.null", "cjson.safe.empty_array"}

WALK = """
local seen, found = {}, {}
local function walk(value, name)
    if type(value) == "userdata" then found[#found + 1] = name end
    if type(value) ~= "table" or seen[value] then return end
    seen[value] = true
    for key, part in pairs(value) do
        if type(key) == "string" then walk(part, name .. "." .. key) end
    end
end
"""


def test_every_call_is_a_function_to_lua() -> None:
    tables = [f"walk({VALUES.get(name) or name}, {lua(name)})" for name in WALKED if name not in REQUIRED]
    modules = [f"walk(require({lua(name)}), {lua(name)})" for name in REQUIRED]
    code = "\n".join([WALK, *tables, *modules, 'ngx.print(table.concat(found, " "))'])
    status, found, err = run_lua("--set", "shared_dict.cats=1m", "-e", code)
    assert status == 0, err
    assert set(found.split()) <= USERDATA


def test_every_setting_is_in_the_table_of_directives() -> None:
    assert {row.setting for row in DIRECTIVES if row.setting} == {each.name for each in fields(Settings)}
