-- jit.v: a line for each trace that LuaJIT has compiled or given up, as `luajit -jv` writes them. The reasons of aborts
-- are numbers, since their texts differ from version to version.
-- Source: LuaJIT, "Running LuaJIT" and lib_jit.c.

local attach = jit.attach
local traceinfo, funcinfo = require("jit.util").traceinfo, require("jit.util").funcinfo
local format, getenv, io, type = string.format, os.getenv, io, type

local out -- nil while it is off
local place, parent -- of the trace that is being recorded

local function place_of(f, pc)
    local info = funcinfo(f, pc)
    if info.loc then return info.loc end
    if info.ffid then return format("[builtin#%d]", info.ffid) end
    if info.addr then return format("C:%x", info.addr) end
    return "(?)"
end

local function write(...)
    out:write(format(...))
    out:flush()
end

local LINKS = { loop = "loop", ["tail-recursion"] = "tail-recursion", ["up-recursion"] = "up-recursion",
    ["down-recursion"] = "down-recursion", interpreter = "-- fallback to interpreter", ["return"] = "return",
    stitch = "stitch", none = "-- stop", root = nil }

local function stopped(trace)
    local info = traceinfo(trace)
    local link = LINKS[info.linktype]
    if not link or info.linktype == "root" or info.link ~= trace and info.link ~= 0 then link = "-> " .. info.link end
    write("[TRACE %3d %s%s %s]\n", trace, parent, place, link)
end

local function aborted(f, pc, code, detail)
    local where = place_of(f, pc)
    if type(detail) == "function" then detail = place_of(detail) end
    write("[TRACE --- %s%s -- %s%s%s]\n", parent, place, where ~= place and "at " .. where .. " " or "",
        type(code) == "number" and "abort " .. code or code, detail ~= nil and ", " .. tostring(detail) or "")
end

-- What LuaJIT tells: start, trace, function, pc, parent and its exit; stop, trace; abort, trace, function, pc, code, detail.
local function told(what, trace, f, pc, a, b)
    if what == "start" then
        place, parent = place_of(f, pc), a and format("(%d/%s) ", a, b == -1 and "stitch" or b) or ""
    elseif what == "stop" then
        stopped(trace)
    elseif what == "abort" then
        aborted(f, pc, a, b)
    elseif what == "flush" then
        write("[TRACE flush]\n")
    end
end

local function off()
    if not out then return end
    attach(told)
    if out ~= io.stdout and out ~= io.stderr then out:close() end
    out = nil
end

-- Write into a file from now on, "-" for stdout, by default to stderr.
local function on(name)
    off()
    name = name or getenv "LUAJIT_VERBOSEFILE"
    out = not name and io.stderr or name == "-" and io.stdout or assert(io.open(name, "w"))
    attach(told, "trace")
end

return { on = on, off = off, start = on }
