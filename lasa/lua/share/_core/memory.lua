-- The limit on a runtime's memory, for hosts that set one.
--
-- LuaJIT's allocator cannot be told a limit: a string on its way from Python to Lua that goes beyond it would end the
-- whole process. So what counts is what the garbage collector could not free. An object that nobody has is finalized in
-- each of its cycles; when too much is left then, a debug hook throws an error at the next instruction, and at each one
-- after it, so that no pcall() keeps the script alive. The collector works harder than usual, and begins a cycle when
-- the limit is reached at the latest. A script may be over the limit for a moment, and by one large string at once.

local core = ...

local collectgarbage, error, getmetatable, newproxy = collectgarbage, error, getmetatable, newproxy
local gethook, getinfo, sethook = debug.gethook, debug.getinfo, debug.sethook
local floor, format, max, min, sub = math.floor, string.format, math.max, math.min, string.sub

local OWN = "@lasa/_core/" -- the runtime's own code; no error may come from there, since it keeps the books
local STEPMUL = 400 -- percent of what is allocated meanwhile that a cycle goes through: usually 200
local LONGEST_PAUSE, SHORTEST_PAUSE = 200, 105 -- percent of what is left, at which the next cycle begins

local limit_kb = core.max_memory_bytes / 1024
local much_kb = 1.5 * limit_kb
local message = format("not enough memory: more than %d bytes", core.max_memory_bytes)

local is_armed = false
local hook, mask, count -- the one that was set before

local function end_script()
    if sub(getinfo(2, "S").source, 1, #OWN) ~= OWN then error(message, 2) end
end

local function arm()
    if is_armed then return end
    is_armed = true
    hook, mask, count = gethook()
    sethook(end_script, "", 1)
end

-- Lua has been left, by a script that waits or is over, or with an error.
local function left(ok, ...)
    if is_armed then
        if not ok then
            is_armed = false
            if hook then sethook(hook, mask, count) else sethook() end
        end
    elseif collectgarbage("count") > much_kb then
        collectgarbage() -- the collector, which goes on when something is made, has not kept up with a few large tables
    end
    return ok, ...
end

local function watch()
    getmetatable(newproxy(true)).__gc = function()
        watch()
        local used_kb = collectgarbage("count")
        collectgarbage("setpause", floor(max(SHORTEST_PAUSE, min(LONGEST_PAUSE, 100 * limit_kb / used_kb))))
        if used_kb > limit_kb then arm() end
    end
end

local start, step, raise_in = core.start, core.step, core.raise_in
function core.start(...) return left(start(...)) end
function core.step(...) return left(step(...)) end
function core.raise_in(...) return left(raise_in(...)) end

collectgarbage("setstepmul", STEPMUL)
watch()
