-- jit.dump: what LuaJIT compiles, trace by trace. Listings of bytecode, intermediate and machine code need tables that
-- belong to one version of LuaJIT each; lupa's has none with it, so this writes how large each trace has become.
-- Source: LuaJIT, "Running LuaJIT", -jdump.

local attach = jit.attach
local util = require "jit.util"
local assert, format, getenv, io = assert, string.format, os.getenv, io

local out -- nil while it is off

local function write(...)
    out:write(format(...))
    out:flush()
end

local function told(what, trace, f, pc, a, b)
    if what == "start" then
        local from = a and format(" %d/%s", a, b == -1 and "stitch" or b) or ""
        write("---- TRACE %d start%s %s\n", trace, from, util.funcinfo(f, pc).loc or "?")
    elseif what == "stop" then
        local info = util.traceinfo(trace)
        local _, address = util.tracemc(trace)
        write("---- TRACE %d stop -> %s, %d instructions, %d constants, %d snapshots, machine code at %s\n", trace,
            info.linktype == "root" and info.link or info.linktype, info.nins, info.nk, info.nexit,
            address and format("%x", address) or "?")
    elseif what == "abort" then
        write("---- TRACE %d abort %s\n", trace, util.funcinfo(f, pc).loc or "?")
    elseif what == "flush" then
        write("---- TRACE flush\n")
    end
end

local function off()
    if not out then return end
    attach(told)
    if out ~= io.stdout and out ~= io.stderr then out:close() end
    out = nil
end

-- Write into a file from now on, "-" or nothing for stdout. The options say what LuaJIT's own would list.
local function on(_, name)
    off()
    name = name or getenv "LUAJIT_DUMPFILE"
    out = (not name or name == "-") and io.stdout or assert(io.open(name, "w"))
    attach(told, "trace")
end

return { on = on, off = off, start = on }
