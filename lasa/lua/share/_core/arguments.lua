-- What a wrong argument is told. The calls that use this are C functions in OpenResty, so the texts are those of Lua's
-- C API: they name the function as the caller wrote it, and a method's arguments are counted without its object.

local core = ...

local error, tonumber, tostring, type = error, tonumber, tostring, type
local ceil, floor = math.ceil, math.floor
local getinfo = debug.getinfo

local BEYOND = 2 ^ 63

local arguments = {}
core.arguments = arguments

-- Levels: 1 is here, 2 the check below, 3 the function with the wrong argument, 4 whoever called that.
local function complain(position, expected, value)
    local called = getinfo(3, "n")
    local name = called.name or "?"
    local problem = expected .. " expected, got " .. type(value)
    if called.namewhat == "method" then
        position = position - 1
        if position == 0 then error("calling '" .. name .. "' on bad self (" .. problem .. ")", 4) end
    end
    error("bad argument #" .. position .. " to '" .. name .. "' (" .. problem .. ")", 4)
end

-- Returns a string argument; a number is its text.
function arguments.string(position, value)
    local kind = type(value)
    if kind == "string" then return value end
    if kind ~= "number" then complain(position, "string", value) end
    return tostring(value)
end

-- Returns a number without its fraction; what no integer can hold is 0.
local function whole(number)
    if not (number > -BEYOND and number < BEYOND) then return 0 end
    return number < 0 and ceil(number) or floor(number)
end

arguments.whole = whole

-- Returns a number argument so; a string may hold the number.
function arguments.integer(position, value)
    local kind = type(value)
    local number = (kind == "number" or kind == "string") and tonumber(value)
    if not number then complain(position, "number", value) end
    return whole(number)
end

function arguments.table(position, value)
    if type(value) ~= "table" then complain(position, "table", value) end
end

-- Returns what the calls that take anything make of it: nil and false are the empty string, the rest is its text.
function arguments.text(value) return value and tostring(value) or "" end
