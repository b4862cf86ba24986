-- Light threads: ngx.thread.* and lasa.thread.*, ngx.sleep and lasa.sleep.

local core = ...

local native = core.native.threads
local wait = core.wait
local record_of, new_thread, is_alive = core.record_of, core.new_thread, core.is_alive
local co_running = coroutine.running
local error, select, tonumber, type, unpack = error, select, tonumber, type, unpack

local thread = {}

function thread.spawn(f, ...)
    if type(f) ~= "function" then
        core.bad_argument(1, 1, "Lua function expected")
    end
    core.check_phase(1)
    local record = new_thread(f, co_running(), ...)
    local co = record.co
    wait(native.spawn, record.number, record.handler.number)
    return co
end

local function collect(record)
    local results = record.results
    record.collected = true
    record.results = nil
    return not record.failed, unpack(results, 1, results.n)
end

-- The first that has ended by itself and whose results nobody has taken.
local function first_ended(records, n)
    for i = 1, n do
        local record = records[i]
        if record.over and not record.collected and not record.killed then return record end
    end
end

local function checked(co, position)
    local record = record_of[co]
    if not record or not record.parent then
        if type(co) ~= "thread" then
            error(("bad argument #%d to 'wait' (lua thread expected)"):format(position), 3)
        end
        error("attempt to wait on a coroutine that is not a user thread", 3)
    end
    if record.parent ~= co_running() then error("only the parent coroutine can wait on the thread", 3) end
    return record
end

function thread.wait(...)
    local n = select("#", ...)
    if n == 0 then error("at least one coroutine should be specified", 2) end
    core.check_phase(1)
    local records = { ... }
    for i = 1, n do records[i] = checked(records[i], i) end
    local ended = first_ended(records, n)
    if ended then return collect(ended) end
    local running, last = {}, records[n]
    for i = 1, n do
        if not records[i].over then running[#running + 1] = records[i].number end
    end
    if last.over or last.killed then return nil, "already waited or killed" end
    core.waits_on(records)
    wait(native.wait, unpack(running))
    core.waits_no_more()
    ended = first_ended(records, n)
    if ended then return collect(ended) end
    return nil, "already waited or killed" -- killed from outside
end

function thread.kill(co)
    if type(co) ~= "thread" then error("bad argument #1 to 'kill' (lua thread expected)", 2) end
    core.check_phase(1)
    local record = record_of[co]
    if not record or not record.parent then return nil, "not user thread" end
    if record.parent ~= co_running() then return nil, "killer not parent" end
    if record.collected or record.killed then return nil, "already waited or killed" end
    if record.over then
        collect(record)
        return nil, "already terminated"
    end
    record.killed = true
    wait(native.kill, record.number)
    return 1
end

core.ngx.thread = thread
core.lasa.thread = {
    spawn = thread.spawn,
    wait = thread.wait,
    kill = thread.kill,
    status = coroutine.status,
}

local function sleep(...)
    local n = select("#", ...)
    if n ~= 1 then error(("attempt to pass %d arguments, but accepted 1"):format(n), 2) end
    local seconds = ...
    local kind = type(seconds)
    local delay_s = (kind == "number" or kind == "string") and tonumber(seconds)
    if not delay_s then core.bad_argument(1, 1, "number expected, got " .. kind) end
    if not (delay_s >= 0) then
        error(('invalid sleep duration "%d"'):format(core.arguments.whole(delay_s * 1000)), 2)
    end
    return wait(native.sleep, delay_s)
end

core.ngx.sleep = sleep
core.lasa.sleep = sleep
