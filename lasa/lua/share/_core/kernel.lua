-- The scheduler's Lua half: every light thread is a Lua coroutine which Python resumes (core.step).
--
-- A call that waits yields (python function, arguments) out of the coroutine; Python calls the function with no Lua
-- frame on the C stack, where it may switch light threads, and resumes the coroutine with the results. User coroutines
-- lie between: what they yield is for their resumer, what the runtime yields is handed down to Python (see resumed()).

local core = ...

local co_create, co_resume, co_yield = coroutine.create, coroutine.resume, coroutine.yield
local co_running, co_status = coroutine.running, coroutine.status
local error, getmetatable, ipairs, pcall, select, setmetatable, tostring, type, unpack, xpcall =
    error, getmetatable, ipairs, pcall, select, setmetatable, tostring, type, unpack, xpcall
local getinfo, getlocal, traceback = debug.getinfo, debug.getlocal, debug.traceback
local concat, gsub = table.concat, string.gsub

local WEAK_KEYS = { __mode = "k" }

local threads = {} -- the live records by their number, as Python knows them
local record_of = setmetatable({}, WEAK_KEYS) -- coroutine -> record, for light threads
local is_user = setmetatable({}, WEAK_KEYS) -- coroutine -> true, for user coroutines
local waits_in = setmetatable({}, WEAK_KEYS) -- user coroutine -> record, while it waits inside the runtime
local inner_of = setmetatable({}, WEAK_KEYS) -- coroutine -> user coroutine that it resumed and that waits
local current -- the record of the light thread that runs
local last_number = 0

-- Each resume() that has not come back yet takes some of the C stack, which LuaJIT does not watch: too many of them
-- would end the process, beyond some 30,000.
local MAX_NESTED = 10000
local nested = 0

local RAISE = {} -- the first value that Python hands in when its function raised
local USER = {} -- the first value of a user's own yield
local WAIT = 0x1.5a17cp-1001 -- the first value of the runtime's: a number, which costs least on the way to Python
core.RAISE = RAISE
core.WAIT = WAIT
core.raw_yield = co_yield

local python_of = core.python_of -- what Lua calls -> the function that the driver calls

-- ---- light threads -------------------------------------------------------------------------------------------------

-- A record: number, co; parent (coroutine), handler (what it runs for: the main program, a timer, a request);
-- arguments (packed, before it starts); over, failed, collected, killed; results (packed, once over).
local function new_record(f, handler)
    last_number = last_number + 1
    local record = { number = last_number, handler = handler, co = co_create(f) }
    threads[last_number] = record
    record_of[record.co] = record
    return record
end

-- A light thread of Lua's own: its results stay in Lua, for ngx.thread.wait().
function core.new_thread(f, parent, ...)
    local record = new_record(f, current.handler)
    record.parent = parent
    record.arguments = { n = select("#", ...), ... }
    return record
end

-- A call from Python: the results go back to Python, and so come the arguments unless they are given here.
function core.new_call(f, handler, arguments)
    local record = new_record(f, handler)
    record.is_call = true
    record.arguments = arguments
    return record.number
end

local function over(record, ok, ...)
    if not ok then return false, (...) end
    if record.is_call then return true, ... end
    record.results = { n = select("#", ...), ... }
    return true
end

local function without_first(_, ...) return ... end

local function stepped(record, ok, ...)
    if ok and (...) == WAIT then return without_first(...) end
    return over(record, ok, ...)
end

-- Run a light thread until it waits, ends or fails; called by Python alone.
-- Returns function, arguments; true, results; or false, error.
function core.start(number, ...)
    local record = threads[number]
    current = record
    nested = 0
    local arguments = record.arguments
    if arguments then
        record.arguments = nil
        return stepped(record, co_resume(record.co, unpack(arguments, 1, arguments.n)))
    end
    return stepped(record, co_resume(record.co, ...))
end

-- The same for one that waits: with what the Python function returned,
function core.step(number, ...)
    local record = threads[number]
    current = record
    nested = 0
    return stepped(record, co_resume(record.co, ...))
end

-- or with what it raised.
function core.raise_in(number, message, level) return core.step(number, RAISE, message, level) end

-- A light thread has ended, by itself or killed; Python forgets its number.
function core.ended(number)
    local record = threads[number]
    threads[number] = nil
    record.over = true
    if record.awaits then core.awaits_no_more(record) end
    if record.loads and record.loads > 0 then core.forget_modules(record) end
    if not record.results then record.killed = true end -- from outside
    record.co = nil -- a weak key whose value refers to it would stay for ever
end

-- What left a wrapped coroutine or a module's code last, with the stacks that it came through, the innermost first.
local failing

local function without_title(stack) return (gsub(stack, "^\n?stack traceback:\n", "")) end

local function stack_of(co) return without_title(traceback(co, "", 0)) end

-- The first stack of a coroutine is all of it: what is raised once more leaves the lower part of the same.
local function add_stack(value, co, stack)
    if not failing or failing.value ~= value then failing = { value = value } end
    if failing.co ~= co then failing[#failing + 1] = stack end
    failing.co = co
end

-- For xpcall: keep the stack of what is going to be raised once more.
function core.failed(value)
    add_stack(value, co_running(), without_title(traceback("", 2)))
    return value
end

-- What ngx.thread.wait() returns of a failure besides false: OpenResty hands over all that is on the stack of the function
-- that raised, and of error("text") that is the text itself, then the text with its place.
local function results_of_failure(co, value)
    local info = getinfo(co, 0, "f")
    if info and info.func == error then
        local _, text = getlocal(co, 0, 1)
        if type(text) == "string" and type(value) == "string" and text ~= value then return { n = 2, text, value } end
    end
    return { n = 1, value }
end

-- The error of a light thread as text, and where it happened. Its coroutine is dead and still has its stack.
function core.describe(number, value)
    local record = threads[number]
    record.failed = true
    record.results = results_of_failure(record.co, value)
    local message = value
    local kind = type(value)
    if kind == "number" then
        message = core.number_text(value)
    elseif kind ~= "string" then
        message = "unknown reason" -- as OpenResty says it of error objects,
        local meta = kind == "table" and getmetatable(value)
        if type(meta) == "table" and meta.__tostring then -- but for those that have a text
            local ok, text = pcall(tostring, value)
            if ok and type(text) == "string" then message = text end
        elseif kind == "userdata" then
            local ok, text = pcall(tostring, value) -- what Python raised
            if ok then message = text end
        end
    end
    add_stack(value, record.co, stack_of(record.co))
    local stacks = failing
    failing = nil
    for i = 1, #stacks do stacks[i] = "coroutine " .. i - 1 .. ":\n" .. stacks[i] end
    return message, concat(stacks, "\n"), type(value) == "string"
end

function core.current() return current end

core.record_of = record_of

-- ---- waiting -------------------------------------------------------------------------------------------------------

-- Every function between a user's call and this one is left by a tail call, so level 2 is the user's own line. What Lua
-- itself has raised, below Python, has its line already, or is no text: its level is 0.
local function raise(message, level)
    error(message, level or 2)
end

local function back(...)
    if (...) == RAISE then return raise(select(2, ...)) end
    return ...
end

local isyieldable = coroutine.isyieldable

local CANNOT_YIELD = "attempt to yield across C-call boundary: a call that waits cannot be made inside a function that "
    .. "table.sort, string.gsub, a metamethod of C or another C function calls"

-- Why nothing can wait: C is on the stack, or the phase has no light threads.
local function why_not()
    local handler = current.handler
    return handler.is_early and core.disabled(handler) or CANNOT_YIELD
end

-- Complain of that, at the line that is so many levels up.
function core.cannot_yield(level)
    error(why_not(), level + 1)
end

-- Complain, at the line that is so many levels above whoever calls this, of a call that needs a light thread, before the
-- first request.
function core.check_phase(level)
    local handler = current.handler
    if handler.is_early then error(core.disabled(handler), level + 2) end
end

-- Call a Python function that may switch, and return what it returns.
function core.wait(f, ...)
    if not isyieldable() then core.cannot_yield(2) end
    return back(co_yield(WAIT, python_of[f] or f, ...))
end

local function back_through(finish, ...)
    if (...) == RAISE then return raise(select(2, ...)) end
    return finish(...)
end

-- The same, and return what `finish` makes of that.
function core.wait_then(finish, f, ...)
    if not isyieldable() then core.cannot_yield(2) end
    return back_through(finish, co_yield(WAIT, python_of[f] or f, ...))
end

-- Complain of an argument, as Lua's own functions do: by the name that the caller has for the function, and without
-- counting the socket before a method's colon. Level 1 is the function that calls this one.
function core.bad_argument(level, position, message)
    local info = getinfo(level + 1, "n")
    local name = info and info.name or "?"
    if info and info.namewhat == "method" then
        position = position - 1
        if position == 0 then error(("calling '%s' on bad self (%s)"):format(name, message), level + 2) end
    end
    error(("bad argument #%d to '%s' (%s)"):format(position, name, message), level + 2)
end

local bad_argument = core.bad_argument

-- Complain of a wrong number of arguments, which counts the socket; level as above.
function core.wrong_count(level, expected, n)
    error(("expecting %s arguments (including the object), but got %d"):format(expected, n), level + 2)
end

-- ---- user coroutines -----------------------------------------------------------------------------------------------

local refusal -- why there are no coroutines, in init_worker_by_lua

local function new_user(f, name)
    if refusal then error(refusal, 3) end
    if type(f) ~= "function" then
        error(("bad argument #1 to '%s' (Lua function expected)"):format(name), 3)
    end
    local co = co_create(f)
    is_user[co] = true
    return co
end

local function hand_down(co, ...)
    local me = co_running()
    waits_in[co] = current
    inner_of[me] = co
    return ...
end

local resumed

local function enter(co, ...)
    if nested == MAX_NESTED then return false, "C stack overflow" end
    nested = nested + 1
    return resumed(co, co_resume(co, ...))
end

local function go_on(co, ...)
    waits_in[co] = nil
    inner_of[co_running()] = nil
    return enter(co, ...)
end

local function without_mark(_, ...) return true, ... end

function resumed(co, ok, ...)
    nested = nested - 1
    local mark = ...
    if not ok then
        if mark == "cannot resume running coroutine" and co_status(co) == "normal" then
            return false, "cannot resume normal coroutine"
        end
        return false, mark
    end
    if mark == WAIT then
        if not isyieldable() then return enter(co, RAISE, why_not()) end -- C is on the stack below `co`
        return go_on(co, co_yield(hand_down(co, ...)))
    end
    if mark == USER then return without_mark(...) end
    return true, ...
end

local function status_of_thread(record)
    if record.over then
        if record.collected or record.killed then return "dead" end
        return core.is_alive(record.parent) and "zombie" or "dead"
    end
    local native = co_status(record.co)
    if native == "suspended" then return inner_of[record.co] and "normal" or "running" end
    return native
end

local function status(co)
    if refusal then error(refusal, 2) end
    local record = record_of[co]
    if record then return status_of_thread(record) end
    local waits = waits_in[co]
    if waits then
        if waits.over then return "dead" end
        return inner_of[co] and "normal" or "running"
    end
    if type(co) ~= "thread" then
        error(("bad argument #1 to 'status' (coroutine expected)"), 2)
    end
    return co_status(co)
end

-- Whether a coroutine has not ended.
function core.is_alive(co)
    if co == nil then return false end
    local record = record_of[co]
    if record then return not record.over end
    local waits = waits_in[co]
    if waits then return not waits.over end
    return co_status(co) ~= "dead"
end

function coroutine.create(f)
    local co = new_user(f, "create")
    return co
end

local function resume(co, ...)
    if refusal then error(refusal, 2) end
    if is_user[co] and not waits_in[co] then return enter(co, ...) end
    if type(co) ~= "thread" then error("bad argument #1 to 'resume' (coroutine expected)", 2) end
    return false, "cannot resume " .. status(co) .. " coroutine"
end

coroutine.resume = resume

function coroutine.yield(...)
    local co = co_running()
    if is_user[co] then return co_yield(USER, ...) end
    if not co then error(refusal or CANNOT_YIELD, 2) end
    return core.wait(core.native.threads.give_way)
end

coroutine.status = status

local function spread(co, ok, ...)
    if ok then return ... end
    local value = ...
    add_stack(value, co, stack_of(co))
    error(value, 0)
end

function coroutine.wrap(f)
    local co = new_user(f, "wrap")
    return function(...) return spread(co, resume(co, ...)) end
end

-- OpenResty keeps Lua's own under these names, in which a call that waits goes astray; here they are the same.
for _, name in ipairs { "create", "resume", "yield", "status", "wrap" } do
    coroutine["_" .. name], coroutine["__" .. name] = coroutine[name], coroutine[name]
end

-- ---- before the first request ---------------------------------------------------------------------------------------

local function traced(value)
    if type(value) == "userdata" then return { value } end -- os.exit(), for Python to raise again
    if type(value) ~= "string" then
        local meta = type(value) == "table" and getmetatable(value)
        value = meta and meta.__tostring and tostring(value) or "unknown reason"
    end
    return { value, (gsub(traceback("", 2), "^\n?stack traceback:\n", "")) }
end

-- Run a function in the phase "init" or "init_worker". It is called by Python on Lua's own stack, in no coroutine, so
-- that nothing in it can wait. Returns true; or false, the error and where it happened.
function core.run_phase(f, phase)
    local handler = core.new_handler(phase)
    handler.is_early = true
    local before = current
    current = { handler = handler }
    refusal = phase == "init_worker" and core.disabled(handler) or nil
    local ok, failure = xpcall(f, traced)
    current, refusal = before, nil
    core.handler_ended(handler.number)
    if ok then return true end
    return false, failure[1], failure[2]
end
