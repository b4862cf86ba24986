-- ngx.run_worker_thread: a function of a module, run in another OS thread by another Lua, whose modules are its own.
-- Any name of a pool will do; its OS threads are made when they are needed.
-- Source: OpenResty's manual, "ngx.run_worker_thread".

local core = ...

local native = core.native.workers
local cannot_copy = core.cannot_copy
local package, select, type, unpack = package, select, type, unpack
local buffer = require "string.buffer"
local encode, decode = buffer.encode, buffer.decode

local function text(value)
    local kind = type(value)
    if kind == "string" then return value end
    return kind == "number" and core.number_text(value) or nil
end

local function results(ok, packed)
    if not ok then return false, packed end -- the error
    packed = decode(packed)
    return true, unpack(packed, 1, packed.n)
end

function core.ngx.run_worker_thread(...)
    local n = select("#", ...) - 3
    if n < 0 then return false, "expecting at least 3 arguments" end
    local pool, module, name = ...
    pool, module, name = text(pool), text(module), text(name)
    if not pool then return false, "threadpool should be a string" end
    if not module then return false, "module name should be a string" end
    if not name then return false, "function name should be a string" end
    local arguments = { n = n, select(4, ...) }
    for i = 1, n do
        local complaint = cannot_copy(arguments[i])
        if complaint then return false, complaint .. " in the argument" end
    end
    return core.wait_then(results, native.run, pool, package.path, package.cpath, module, name, encode(arguments))
end
