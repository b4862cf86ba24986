"""Where require finds modules: what a script's own path has goes before what lasa brings along."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lasa.lua import Runtime, Settings
from tests.lua.tools import run_lua, value_of

OURS = ("cjson", "cjson.safe", "resty.lrucache", "resty.lock", "resty.md5", "resty.string", "table.nkeys")
OF_NGINX = ("ngx.ssl", "ngx.semaphore", "ngx.re", "ngx.pipe", "ngx.balancer")

# As lua-resty-core's files look: they declare and call C functions of nginx's Lua module.
PART_OF_CORE = """
local base = require "resty.core.base"
require("ffi").cdef "int ngx_http_lua_ffi_test(void);"
return { own = true }
"""


def write(folder: Path, name: str, text: str = "return { own = true, name = ... }") -> None:
    file = folder / f"{name.replace('.', '/')}.lua"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def is_own(name: str, path: Path | None = None, code: str = "") -> bool:
    folders = [str(path)] if path else []
    code += f" local found = require '{name}' return type(found) == 'table' and found.own == true"
    return bool(value_of(code, path=folders))


@pytest.mark.parametrize("name", OURS + OF_NGINX)
def test_a_folder_that_is_given_goes_before_lasas_own_modules(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    assert is_own(name, tmp_path)
    assert value_of(f"return require '{name}'.name", path=[str(tmp_path)]) == name.encode()


@pytest.mark.parametrize(
    "path",
    ["'{}/?.lua;' .. package.path", "package.path .. ';{}/?.lua'", "'{}/?.lua'", "'/nowhere/?.lua;{}/?.lua'"],
)
def test_so_does_what_a_script_puts_into_its_path(tmp_path: Path, path: str) -> None:
    write(tmp_path, "resty.lrucache")
    assert is_own("resty.lrucache", code=f"package.path = {path.format(tmp_path)}")
    assert not is_own("resty.lock", code=f"package.path = {path.format(tmp_path)}")


@pytest.mark.parametrize("lua_path", ["{}/?.lua", "{}/?.lua;;", ";;{}/?.lua", "/nowhere/?.lua;;{}/?.lua"])
def test_so_does_what_lua_path_names_and_the_rest_comes_behind(tmp_path: Path, lua_path: str) -> None:
    write(tmp_path / "named", "cjson")
    for name in ("cjson", "resty.lrucache", "resty.mine"):
        write(tmp_path / "here", name, "return { here = true }")
    code = """
        ngx.print(require("cjson").own, " ", require("resty.lrucache").here, " ",
            select(2, pcall(require, "resty.mine")).here)
    """
    environment = {"LUA_PATH": lua_path.format(tmp_path / "named")}
    _, out, _ = run_lua("-e", code, environment=environment, folder=tmp_path / "here")
    is_default_there = ";;" in lua_path  # with it the current folder is searched, behind lasa's modules
    assert out == f"true nil {'true' if is_default_there else 'nil'}"


def test_without_a_path_the_current_folder_comes_behind_lasas_modules(tmp_path: Path) -> None:
    write(tmp_path, "cjson")
    write(tmp_path, "mine")
    _, out, _ = run_lua("-e", 'ngx.print(require("cjson").own, " ", require("mine").own)', folder=tmp_path)
    assert out == "nil true"


def test_lasas_modules_use_each_other_whatever_stands_in_for_one(tmp_path: Path) -> None:
    write(tmp_path, "cjson")
    write(tmp_path, "cjson.decoder", "error('not this one')")
    write(tmp_path, "resty.lrucache", "return {}")
    code = """
        local safe, pureffi = require "cjson.safe", require "resty.lrucache.pureffi"
        local cache = pureffi.new(2)
        cache:set("a", 5)
        return require("cjson").own, safe.encode(safe.decode("[1]")), cache:get("a")
    """
    assert value_of(code, path=[str(tmp_path)])[:3] == (True, b"[1]", 5)


@pytest.mark.parametrize(
    "name", ["ngx.ssl", "ngx.errlog", "ngx.re", "ngx.pipe", "ngx.semaphore", "resty.core", "resty.core.base"]
)
def test_parts_of_lua_resty_core_are_lasas_as_they_call_into_nginx(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, PART_OF_CORE)
    assert not is_own(name, tmp_path)


def test_what_of_it_lasa_does_not_have_says_so_still(tmp_path: Path) -> None:
    write(tmp_path, "ngx.proxyssl", PART_OF_CORE)
    assert b"the module ngx.proxyssl is absent" in value_of(
        "return select(2, pcall(require, 'ngx.proxyssl'))", path=[str(tmp_path)]
    )


def test_a_library_that_names_such_functions_is_loaded_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, "my.library", PART_OF_CORE)
    assert is_own("my.library", tmp_path)


def test_package_preload_and_modules_of_the_host_go_before_files(tmp_path: Path) -> None:
    write(tmp_path, "cjson")
    write(tmp_path, "shop")
    with Runtime(settings=Settings(), path=[str(tmp_path)], modules={"shop": {"price": 5}}) as runtime:
        code = "package.preload.cjson = function() return 'preloaded' end return require 'shop'.price, require 'cjson'"
        assert runtime.load(code)() == (5, b"preloaded")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("return nil +", "error loading module 'broken' from file '{}/broken.lua':\n\t"),
        ("error('raised')", "{}/broken.lua:1: raised"),
        ("error('blames require', 2)", "blames require"),
    ],
)
def test_a_file_that_cannot_be_loaded_says_why(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, "broken", text)
    said = value_of("return select(2, pcall(require, 'broken'))", path=[str(tmp_path)]).decode()
    wanted = message.format(tmp_path)
    assert wanted in said or said.endswith(wanted[-30:])  # Lua cuts the beginning of a long path


def test_the_traceback_of_a_module_that_fails_has_its_lines_once(
    tmp_path: Path, error_of: Callable[[str, Path], str]
) -> None:
    write(tmp_path, "outer", "require 'inner'")
    write(tmp_path, "inner", "local function fail() error('deep') end\nfail()\n")
    traceback = error_of("require 'outer'", tmp_path)
    assert [line for line in traceback.splitlines() if "inner.lua:2: in main chunk" in line]
    assert traceback.count("outer.lua:1: in main chunk") == 1
    assert "coroutine 1:" not in traceback


@pytest.fixture
def error_of() -> Callable[[str, Path], str]:
    def traceback(code: str, path: Path) -> str:
        _, _, err = run_lua("-I", str(path), "-e", code)
        return err

    return traceback


def test_a_path_that_is_no_text_is_told() -> None:
    assert value_of("package.path = nil return select(2, pcall(require, 'x'))") == b"'package.path' must be a string"


CJSON = Path("/usr/lib/x86_64-linux-gnu/lua/5.1/cjson.so")
IS_C = 'ngx.print(debug.getinfo(require("cjson").encode).what)'


@pytest.mark.skipif(not CJSON.exists(), reason="apt-get install lua-cjson")
def test_a_c_module_that_is_named_goes_before_lasas_and_the_systems_behind(tmp_path: Path) -> None:
    (tmp_path / "cjson.so").symlink_to(CJSON)
    _, named, _ = run_lua("-e", IS_C, environment={"LUA_CPATH": f"{tmp_path}/?.so;;"})
    _, not_named, _ = run_lua("-e", IS_C)
    assert (named, not_named) == ("C", "Lua")


def test_a_c_module_that_cannot_be_loaded_says_why_and_leaves_the_path_alone(tmp_path: Path) -> None:
    (tmp_path / "broken.so").write_text("no library")
    code = """
        package.cpath = ... .. "/?.so;" .. package.cpath
        local before = package.cpath
        local _, err = pcall(require, "broken")
        return err:match("^error loading module 'broken' from file") ~= nil, package.cpath == before
    """
    assert value_of(code, str(tmp_path)) == (True, True)
