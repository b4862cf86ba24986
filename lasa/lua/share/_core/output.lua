-- What a script says: ngx.say, print, flush, eof and exit go to the handler that it runs for, ngx.log to the log.

local core = ...

local native = core.native.output
local bad_argument, wait, text_of, current = core.bad_argument, core.wait, core.text_of, core.current
local ceil, floor = math.ceil, math.floor
local concat, match = table.concat, string.match
local error, select, tonumber, tostring, type = error, select, tonumber, tostring, type
local getinfo = debug.getinfo
local getmetatable, isyieldable = getmetatable, coroutine.isyieldable
local null = core.ngx.null
local ngx = core.ngx

-- How errors call a phase. A content handler has all calls, so that only a call from Python and a program lack some.
local PHASE_NAMES = {
    timer = "ngx.timer",
    content = "a call from Python",
    init = "init_by_lua*",
    init_worker = "init_worker_by_lua*",
}

local handlers = {} -- number -> handler
local last_number = 0

-- What runs for one purpose: the main program, a timer, a request. Light threads inherit it from who spawned them.
-- write(handler, data), flush(handler, waits), eof(handler) are where its output goes.
function core.new_handler(phase)
    last_number = last_number + 1
    local handler = { number = last_number, phase = phase, phase_name = PHASE_NAMES[phase] or phase }
    handlers[last_number] = handler
    return handler
end

-- What a call says that there is not in this context; `without` as for request_of().
function core.disabled(handler, without)
    if handler.phase == "init" then return without or "no request found" end
    return "API disabled in the context of " .. handler.phase_name
end

function core.handler(number) return handlers[number] end

function core.handler_ended(number)
    local handler = handlers[number]
    handlers[number] = nil
    if handler.sockets then core.close_sockets(handler.sockets) end
end

local stdout, stderr = io.stdout, io.stderr
local file_methods = getmetatable(stdout).__index

-- What io.write() and file:write() write of their arguments; `first` is the place of the first one.
local function words(first, n, ...)
    if n == 1 and type((...)) == "string" then return (...) end
    local pieces = { ... }
    for i = 1, n do
        local kind = type(pieces[i])
        if kind == "number" then
            pieces[i] = tostring(pieces[i])
        elseif kind ~= "string" then
            bad_argument(2, first + i - 1, "string expected, got " .. core.type_name(pieces[i], 1))
        end
    end
    return concat(pieces)
end

-- Have what scripts write to stdout and stderr by Lua's own means go the same way as what they say.
local function replace_io(say, flush, write_to_stderr)
    local write, flush_file = file_methods.write, file_methods.flush
    local default_file, write_default, flush_default = io.output, io.write, io.flush
    local written = write(stdout) -- what it answers, which differs between versions of LuaJIT

    local function put(file, data)
        local err
        if file == stdout then
            local ok, why = say(data)
            err = not ok and why
        else
            err = write_to_stderr(data)
        end
        if err then return nil, err end
        return written == true or file
    end

    local function is_ours(file) return file == stdout or file == stderr end

    function file_methods.write(file, ...)
        if not is_ours(file) then return write(file, ...) end
        local data = words(2, select("#", ...), ...)
        return put(file, data)
    end
    function io.write(...)
        local file = default_file()
        if not is_ours(file) then return write_default(...) end
        local data = words(1, select("#", ...), ...)
        return put(file, data)
    end
    function file_methods.flush(file)
        if file == stdout then return flush() end
        return flush_file(file)
    end
    function io.flush()
        if default_file() == stdout then return flush() end
        return flush_default()
    end
end

-- For what has no output of its own, as handlers have theirs.
function core.own_io(write, write_to_stderr)
    local function say(data)
        local err = write(data)
        if err then return nil, err end
        return 1
    end
    replace_io(say, function() return true end, write_to_stderr)
end

-- The main program's output: stdout. `write` returns true where so much has not left that it is time to drain, which
-- waits until all has; it and `flush` return why nothing leaves any more.
function core.to_stdout(handler, write, flush, drain, write_to_stderr)
    handler.phase_name = "a program"
    local function say(data)
        local state = write(data)
        if not state then return 1 end
        if state ~= true then return nil, state end
        if isyieldable() then return wait(drain) end
        return 1
    end
    function handler.write(_, data) return say(data) end
    function handler.flush(_, waits)
        if waits and isyieldable() then return wait(drain) end
        local err = flush()
        if err then return nil, err end
        return 1
    end
    function handler.eof() return handler.flush() end
    replace_io(say, function()
        local ok, err = handler.flush()
        if ok then return true end
        return nil, err
    end, write_to_stderr)
end

local NO_OBJECT = "no request object found"

local function writer(ending)
    return function(...)
        local handler = current().handler
        local write = handler.write
        if not write then error(core.disabled(handler, NO_OBJECT), 2) end
        local n = select("#", ...)
        if n == 1 and type((...)) == "string" then return write(handler, (...) .. ending) end
        local pieces = { ... }
        for i = 1, n do
            local text, complaint = text_of(pieces[i])
            if not text then bad_argument(1, i, complaint) end
            pieces[i] = text
        end
        pieces[n + 1] = ending
        return write(handler, concat(pieces))
    end
end

ngx.say = writer "\n"
ngx.print = writer ""

function ngx.flush(waits)
    local handler = current().handler
    local flush = handler.flush
    if not flush then error(core.disabled(handler, NO_OBJECT), 2) end
    return flush(handler, waits)
end

function ngx.eof()
    local handler = current().handler
    local eof = handler.eof
    if not eof then error(core.disabled(handler, NO_OBJECT), 2) end
    return eof(handler)
end

-- Return a number as C's int has it, to which what it cannot hold is its least.
local function integer(number)
    if not (number > -2147483649 and number < 2147483648) then return -2147483648 end
    return number < 0 and ceil(number) or floor(number)
end
core.integer = integer

function ngx.exit(status)
    if type(status) == "cdata" then status = tonumber(status) or status end
    if type(status) ~= "number" then
        error("bad argument #1 to 'exit' (number expected, got " .. core.type_name(status, status == nil and 0) .. ")", 2)
    end
    status = integer(status)
    if status == ngx.AGAIN or status == ngx.DONE then
        error("bad argument to 'ngx.exit': does not accept NGX_AGAIN or NGX_DONE", 2)
    end
    return wait(native.exit, current().handler.number, status)
end

function ngx.get_phase() return current().handler.phase end

function os.exit(code)
    if code == true or code == nil then code = 0 elseif code == false then code = 1 end
    if not isyieldable() then return native.exit_program(code) end -- before the first request
    return wait(native.exit_program, code)
end

-- ---- the log -------------------------------------------------------------------------------------------------------

local function log_text(value, position)
    local kind = type(value)
    if kind == "string" then return value end
    if kind == "number" then return core.number_text(value) end
    if value == null then return "null" end
    if kind == "table" then
        local meta = getmetatable(value)
        if not (meta and meta.__tostring) then
            bad_argument(3, position, "expected table to have __tostring metamethod")
        end
        local text = meta.__tostring(value)
        return text
    end
    if kind == "boolean" or kind == "nil" then return tostring(value) end
    bad_argument(3, position, "string, number, boolean, or nil expected, got " .. kind)
end

local function write_log(level, first, ...)
    if not native.is_logged(level) then return end
    local n = select("#", ...)
    local pieces = { ... }
    for i = 1, n do pieces[i] = log_text(pieces[i], first + i - 1) end
    local where = getinfo(3, "Sln")
    local line = ""
    if where and where.currentline > 0 then
        line = match(where.short_src, "([^/]*)$") .. ":" .. where.currentline .. ": "
        if where.name then line = line .. where.name .. "(): " end
    end
    native.log(level, "[lua] " .. line .. concat(pieces))
end

function ngx.log(level, ...)
    local kind = type(level)
    local number = (kind == "number" or kind == "string") and tonumber(level)
    if not number then
        error("bad argument #1 to 'log' (number expected, got " .. core.type_name(level, level == nil and 0) .. ")", 2)
    end
    level = core.arguments.whole(number)
    if level < 0 or level > 8 then bad_argument(1, 1, "bad log level: " .. core.number_text(level)) end
    write_log(level, 1, ...)
end

function print(...) write_log(6, 1, ...) end

core.write_log = native.log
