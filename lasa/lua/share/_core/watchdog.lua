-- The Lua half of the watchdog: says where the code is that holds the hub, and ends it. lasa/lua/watchdog.py has
-- the other half.
--
-- Two ways lead in here while a script runs. on_sample() is called by LuaJIT's profiler, which takes a sample only
-- when the watchdog asks for one, also in the middle of compiled code; no error may leave it, since LuaJIT would end
-- the process. on_count() is a debug hook, which the watchdog's OS thread sets when the script has to be ended; it may
-- raise an error, at the script's line, but only the interpreter calls it. So on_sample() turns the compiler off, and
-- the hook turns it on again once Lua has been left.
--
-- core.native.watchdog:
--   asks()          whether the watchdog waits for an answer
--   answer(text)    where the script is
--   verdict()       why the script has to end, nil if it may go on
--   caught(error)   a signal handler of Python raised that in one of the others

local core = ...

local native = core.native.watchdog
local asks, answer, verdict, caught = native.asks, native.answer, native.verdict, native.caught
local getinfo, sethook, traceback = debug.getinfo, debug.sethook, debug.traceback
local attach, jit_flush, jit_off, jit_on, jit_status = jit.attach, jit.flush, jit.off, jit.on, jit.status
local error, format, package, pcall, running, sub = error, string.format, package, pcall, coroutine.running, string.sub

local OWN = "@lasa/_core/" -- the runtime's own code; no error may come from there, since it keeps the books
local EACH_INSTRUCTION = 1

local sampler -- the profiler's coroutine
local is_armed = false -- the compiler is off, and the hook was set, until the script has ended
local was_compiling = false
local keeps_hook = false

local function is_own(info) return sub(info.source, 1, #OWN) == OWN end

-- The innermost line that is not the runtime's own, and the calls that lead there. Neither getinfo() nor traceback()
-- may be a tail call here: their levels count from this function.
local function where(co)
    local level, info = -1, nil
    repeat
        level = level + 1
        if co then
            info = getinfo(co, level, "Sl")
        else
            info = getinfo(level, "Sl")
        end
    until not info or (info.currentline > 0 and not is_own(info))
    if not info then return "in the runtime's own code" end
    local calls
    if co then
        calls = traceback(co, "", level)
    else
        calls = traceback("", level)
    end
    local within = "main chunk"
    if info.what ~= "main" then within = format("function <%s:%d>", info.short_src, info.linedefined) end
    return format("at %s:%d (in %s)%s", info.short_src, info.currentline, within, calls)
end

local function look(co)
    if asks() then answer(where(co)) end
    return verdict()
end

-- Return why the script has to end, nil if it may go on. Python's signal handlers run in here, and may raise; that is
-- a reason, and whoever waits for an answer still does. Another signal may come meanwhile.
local function consult(co)
    for _ = 1, 3 do
        local ok, message = pcall(look, co)
        if ok then return message end
        pcall(caught, message)
    end
end

local disarm

local function on_count()
    if sampler and running() == sampler then return end
    local message = consult()
    if not message then return disarm() end
    -- The hook stays set until Lua has been left: a pcall() around the line must not keep the script alive.
    if not is_own(getinfo(2, "S")) then error(message, 2) end
end

function disarm()
    if keeps_hook then
        sethook(on_count, "", 0) -- known to LuaJIT, and not called
    else
        sethook()
    end
    if is_armed and was_compiling then jit_on() end
    is_armed = false
end

-- What is set here LuaJIT forgets on return, except for the hook's function: the watchdog sets the hook once more.
local function arm()
    sethook(on_count, "", EACH_INSTRUCTION)
    if not is_armed then was_compiling = jit_status() end
    is_armed = true
    jit_off()
    jit_flush()
end

local function on_sample(co)
    sampler = running()
    if consult(co) then pcall(arm) end
end

-- ---- setting up ----------------------------------------------------------------------------------------------------

-- What the runtime makes of require() is for scripts.
local function builtin(name)
    local module = package.loaded[name]
    if not module then
        module = package.preload[name](name)
        package.loaded[name] = module
    end
    return module
end

-- Have LuaJIT's profiler call on_sample(); its own timer is not to go off, hence the interval (in ms).
local function start_profiler(mode) builtin("jit.profile").start(mode .. "i100000000", on_sample) end

local function stop_profiler() builtin("jit.profile").stop() end

-- The profiler's mode "l" has the compiler put a test of the profiler's bit at each new line; each is a place where the
-- code may be left, so objects that it could have done without are made. One test per trace is enough, and free. So
-- the mode, a byte inside LuaJIT at this address, is "l" while the first instruction of a trace is recorded, else 0.
local function test_once_per_trace(address)
    local LINES, NOTHING = ("l"):byte(), 0
    local mode = builtin("ffi").cast("volatile uint8_t *", address)
    local is_ours = false
    local recorded

    local function on_record()
        recorded = recorded + 1
        if recorded < 2 then return end
        mode[0] = NOTHING
        is_ours = false
        attach(on_record) -- no longer
    end

    attach(function(event)
        if event == "start" then
            if mode[0] ~= NOTHING and not is_ours then return end -- the script uses the profiler
            mode[0] = LINES
            is_ours = true
            recorded = 0
            attach(on_record, "record")
        elseif is_ours then -- it was given up at once
            mode[0] = NOTHING
            is_ours = false
            attach(on_record)
        end
    end, "trace")
end

-- Where the profiler is not to be had: make on_count() known; `look_up` finds out which C function calls hooks.
local function keep_hook(look_up)
    keeps_hook = true
    sethook(on_count, "", 1000000000)
    look_up()
    disarm()
end

-- The watchdog knows this Lua by the address of a coroutine, which has to stay.
local state = coroutine.create(on_count)
debug.getregistry()[on_count] = state

return tostring(state), start_profiler, stop_profiler, test_once_per_trace, keep_hook
