-- Timers: ngx.timer.* and lasa.timer.*. The callback and its arguments stay in Lua, Python knows a number.

local core = ...

local native = core.native.timers
local getinfo = debug.getinfo
local error, select, tonumber, type, unpack = error, select, tonumber, type, unpack

local pending = {} -- number -> { f, arguments, n, repeats }
local last_number = 0

local function schedule(make, delay, repeats, n, f, ...)
    if n < 2 then error(("expecting at least 2 arguments but got %d"):format(n), 3) end
    local kind = type(delay)
    local delay_s = (kind == "number" or kind == "string") and tonumber(delay)
    if not delay_s then
        error("bad argument #1 to '" .. (repeats and "every" or "at") .. "' (number expected, got "
            .. core.type_name(delay, 1) .. ")", 3)
    end
    if type(f) ~= "function" then
        error("bad argument #2 to '" .. (repeats and "every" or "at") .. "' (Lua function expected)", 3)
    end
    if delay_s ~= delay_s then delay_s = 0 end
    if repeats and delay_s < 0.001 then error("delay cannot be zero", 3) end
    if core.current().handler.phase == "init" then error("no request", 3) end
    last_number = last_number + 1
    local number = last_number
    pending[number] = { f = f, n = n - 2, repeats = repeats, ... }
    local handle, err = make(delay_s, number)
    if not handle then
        pending[number] = nil
        return nil, err
    end
    return handle
end

-- What Python asks for when a timer fires: the number of a light thread that runs the callback.
function core.timer_fires(number, handler, premature)
    local timer = pending[number]
    if not timer.repeats then pending[number] = nil end
    return core.new_call(timer.f, handler, { n = timer.n + 1, premature, unpack(timer, 1, timer.n) })
end

-- Where the callback is defined, for a timer that is dropped because too many run.
function core.timer_defined_at(number)
    local timer = pending[number]
    if not timer.repeats then pending[number] = nil end
    local info = getinfo(timer.f, "S")
    return info.source .. ":" .. info.linedefined
end

function core.timer_dropped(number) pending[number] = nil end

-- Python's own functions are no functions to Lua's type().
local function counter(count)
    return function()
        if core.current().handler.phase == "init" then error("no request", 2) end
        return count()
    end
end

local running_count, pending_count = counter(native.running_count), counter(native.pending_count)

-- OpenResty's calls answer 1, the seed's a handle for lasa.timer.kill().
local function one(handle, err)
    if not handle then return nil, err end
    return 1
end

core.ngx.timer = {
    at = function(...) return one(schedule(native.at, (...), false, select("#", ...), select(2, ...))) end,
    every = function(...) return one(schedule(native.every, (...), true, select("#", ...), select(2, ...))) end,
    running_count = running_count,
    pending_count = pending_count,
}

core.lasa.timer = {
    at = function(...)
        local handle, err = schedule(native.at, (...), false, select("#", ...), select(2, ...))
        return handle, err
    end,
    every = function(...)
        local handle, err = schedule(native.every, (...), true, select("#", ...), select(2, ...))
        return handle, err
    end,
    kill = function(handle)
        if type(handle) ~= "userdata" then error("bad argument #1 to 'kill' (timer expected)", 2) end
        core.timer_dropped(native.kill(handle))
    end,
    running_count = running_count,
    pending_count = pending_count,
}
