"""Whatever a call is given, what it raises is a string: scripts join it to a text of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from lasa.lua import Runtime, Settings
from tests.helpers import raw_listener
from tests.lua.tools import value_of

# Calls each function of each table, and each method of each object, with odd values in each of its first places.
WALK = """
local socket = ...
local odd = {
    0 / 0, 1 / 0, -1 / 0, 0.5, -1, 2 ^ 31, 2 ^ 53, 1e300, "", "x", "5", "0x10", "\\0", "\\255", true, false, {}, { 1 },
    { {} }, { a = 1 }, function() end, coroutine.create(function() end), ngx.null, 5LL, io.stdout, socket,
}
-- What ends the script, waits for long, or takes any value for a good one and runs it.
local SKIPPED = {
    exit = true, sleep = true, detach = true, run_worker_thread = true, to_thread = true, redirect = true, exec = true,
}
local seen, wrong, calls = {}, {}, 0

local function call(name, f, ...)
    calls = calls + 1
    local n = select("#", ...)
    local packed = { ... }
    local thread = ngx.thread.spawn(function()
        local results = { pcall(f, unpack(packed, 1, n)) }
        if not results[1] then
            local joined, text = pcall(function() return "failed: " .. results[2] end)
            if not joined or text:find("Traceback", 1, true) or text:find("python", 1, true) then
                wrong[name .. ": " .. tostring(results[2])] = true
            end
        end
    end)
    ngx.thread.kill(thread)
end

local function try(name, f, self)
    local first = self == nil and {} or { self }
    local n = #first
    call(name, f, unpack(first))
    for place = 1, 3 do
        for i = 1, #odd do
            local arguments = { unpack(first) }
            for before = 1, place - 1 do arguments[n + before] = before == 1 and "1" or 1 end
            arguments[n + place] = odd[i]
            call(name, f, unpack(arguments, 1, n + place))
        end
        call(name, f, unpack({ unpack(first) }, 1, n + place))
    end
    for i = 1, #odd do
        call(name, f, odd[i])
    end
end

local function walk(name, object, methods)
    if seen[methods] then return end
    seen[methods] = true
    for key, value in pairs(methods) do
        if type(key) == "string" and not SKIPPED[key] then
            if type(value) == "function" then
                try(name .. "." .. key, value, object)
            elseif type(value) == "table" then
                walk(name .. "." .. key, nil, value)
            end
        end
    end
end

local function methods_of(object)
    local found = {}
    local meta = getmetatable(object)
    while type(meta) == "table" and type(meta.__index) == "table" do
        for key, value in pairs(meta.__index) do found[key] = found[key] or value end
        meta = getmetatable(meta.__index)
    end
    return found
end

return function(chosen)
    for name, make in pairs(chosen) do
        local object = make()
        if type(object) == "table" and getmetatable(object) == nil then
            walk(name, nil, object)
        else
            for key, value in pairs(methods_of(object)) do
                if type(value) == "function" and not SKIPPED[key] then try(name .. ":" .. key, value, (make())) end
            end
        end
    end
    local found = {}
    for each in pairs(wrong) do found[#found + 1] = each end
    return found, calls
end
"""

PLACES = {
    "sockets": """
        tcp = function() return ngx.socket.tcp() end, udp = function() return ngx.socket.udp() end,
        safe_tcp = function() return lasa.socket.tcp() end, safe_udp = function() return lasa.socket.udp() end,
        connected = function()
            local sock = lasa.socket.tcp()
            sock:settimeout(5)
            assert(sock:connect("127.0.0.1", port))
            return sock
        end,
        ["ngx.socket"] = function() return ngx.socket end, ["lasa.socket"] = function() return lasa.socket end,
    """,
    "threads and time": """
        semaphore = function() return require("ngx.semaphore").new() end,
        ["ngx.semaphore"] = function() return require "ngx.semaphore" end,
        ["ngx.thread"] = function() return ngx.thread end, ["ngx.timer"] = function() return ngx.timer end,
        ["lasa.thread"] = function() return lasa.thread end, ["lasa.timer"] = function() return lasa.timer end,
        ["ngx.worker"] = function() return ngx.worker end, coroutine = function() return coroutine end,
        channel = function() return lasa.channel(2) end,
    """,
    "text and data": """
        ["ngx.re"] = function() return ngx.re end, ["ngx.req"] = function() return ngx.req end,
        ["ngx.resp"] = function() return ngx.resp end, dict = function() return ngx.shared.dict end,
        aes = function() return require "resty.aes" end, md5 = function() return require "resty.md5" end,
        string = function() return require "resty.string" end, lock = function() return require "resty.lock" end,
        errlog = function() return require "ngx.errlog" end, process = function() return require "ngx.process" end,
        base64 = function() return require "ngx.base64" end,
    """,
    "protocols": """
        http = function() return lasa.http.client end, websocket = function() return lasa.websocket.client end,
        server = function() return lasa.websocket.server end,
    """,
    "the rest": """
        ngx = function()
            local plain = {}
            for key, value in pairs(ngx) do
                if type(value) == "function" and key ~= "on_abort" then plain[key] = value end
            end
            return plain
        end,
        lasa = function()
            local plain = {}
            for key, value in pairs(lasa) do if type(value) == "function" then plain[key] = value end end
            return plain
        end,
    """,
}


@pytest.mark.parametrize("place", PLACES)
def test_an_error_of_any_call_with_any_argument_can_be_joined_to_a_text(place: str) -> None:
    code = f"""
        local server = lasa.socket.tcp()
        assert(server:bind("127.0.0.1", 0) and server:listen())
        local _, port = server:getsockname()
        local walk = (function(...) {WALK} end)(lasa.socket.tcp())
        local wrong, calls = walk {{ {PLACES[place]} }}
        server:close()
        return wrong, calls
    """
    wrong, calls = value_of(code)
    assert calls > 100
    assert [text.decode("latin-1") for text in wrong] == []


FILES = """
local port, files = ...
local sock = lasa.socket.tcp()
assert(sock:connect("127.0.0.1", port))
local found = {}
for i, pair in ipairs(files) do
    for _, name in ipairs { "setclientcert", "sslaccept" } do
        local ok, err = sock[name](sock, pair[1], pair[2])
        found[#found + 1] = name .. ": " .. tostring(ok) .. " " .. tostring(err)
    end
end
return found
"""


def test_files_that_are_of_no_use_are_nil_and_an_error(tmp_path: Path) -> None:
    certificate, key, other = tmp_path / "a.pem", tmp_path / "a.key", tmp_path / "b.key"
    authority = trustme.CA()
    for each, keys in ((authority.issue_cert("a.test"), key), (authority.issue_cert("b.test"), other)):
        each.private_key_pem.write_to_path(str(keys))
        if keys is key:
            each.cert_chain_pems[0].write_to_path(str(certificate))
    nothing = tmp_path / "empty"
    nothing.write_text("no PEM")
    pairs = [
        ("/no/such", "/no/such"),
        (str(certificate), "/no/such"),
        (str(tmp_path), str(key)),
        (str(nothing), str(nothing)),
        (str(certificate), str(other)),
        ("a\0b", str(key)),
        (True, 1),
    ]
    with raw_listener() as listener:
        found = value_of(FILES, listener.getsockname()[1], pairs)
    texts = [text.decode() for text in found]
    said = [
        "no such file or directory",
        "no such file or directory",
        "is a directory",
        "pem lib",
        "key values mismatch",
    ]
    assert texts[::2][:5] == [f"setclientcert: nil bad client certificate: {text}" for text in said]
    assert texts[1::2][:5] == [f"sslaccept: nil bad certificate: {text}" for text in said]
    assert "embedded null" in texts[10]
    assert "embedded null" in texts[11]
    assert texts[12:] == [
        f"{name}: nil bad cert arg: string expected, got boolean" for name in ("setclientcert", "sslaccept")
    ]


def test_settings_that_name_no_files_fail_the_handshake_with_a_word() -> None:
    settings = Settings(ssl_trusted_certificate="/no/such")
    code = """
        local sock = ngx.socket.tcp()
        assert(sock:connect("127.0.0.1", ...))
        local ok, err = sock:sslhandshake(nil, "a.test", true)
        return tostring(ok) .. " " .. err
    """
    with raw_listener() as listener, Runtime(settings=settings) as runtime:
        found = runtime.load(code)(listener.getsockname()[1])
    assert found == b"nil bad certificate or authorities: no such file or directory"
