-- What the conversions of values between Lua and Python ask Lua: which table is which, what stands for an object of
-- Python's, and whether a value may go to another Lua.

local core = ...

local wait, current = core.wait, core.current
local format, next, setmetatable, type = string.format, next, setmetatable, type
local null = core.ngx.null

-- What stands for an object of Python's, on Python's way back: a channel, a function of the host's.
local handles = setmetatable({}, { __mode = "k" })
core.handles = handles

-- Return a table's or a function's address, which tells it apart while it is alive; and its object of Python's, if any.
function core.identity(value) return format("%p", value), handles[value] end

function core.is_null(value) return value == null end

-- Return a function of Python's as Lua calls it: it may wait. `convert` calls it with the number of what runs, and
-- the arguments.
function core.python_function(convert, original)
    local function call(...)
        return wait(convert, current().handler.number, ...)
    end
    handles[call] = original
    return call
end

-- ---- values that are copied into another Lua ------------------------------------------------------------------------

local MAX_DEPTH = 100

local check_table

local function check(value, depth)
    local kind = type(value)
    if kind == "string" or kind == "number" or kind == "boolean" or value == null then return nil end
    if kind == "table" then return check_table(value, depth) end
    if kind == "cdata" then return "unsupported Lua type" end
    return "unsupported Lua type: LUA_T" .. kind:upper()
end

function check_table(t, depth)
    if depth >= MAX_DEPTH then
        return "suspicious circular references, table depth exceed max depth: " .. MAX_DEPTH
    end
    for key, value in next, t do
        local complaint = check(key, depth + 1) or check(value, depth + 1)
        if complaint then return complaint end
    end
end

-- Return what keeps a value from being copied, nil if nothing does: OpenResty's words of ngx.run_worker_thread.
function core.cannot_copy(value)
    if value == nil then return nil end
    return check(value, 1)
end
