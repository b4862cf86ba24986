-- lasa.channel: values from one light thread to another, also of another OS thread's. It goes with lasa.detach.
--
-- What is sent is copied: strings, numbers, booleans, nil, channels, and tables of these. Python has the same channels,
-- with lists and dicts for tables; ngx.null is None there, and nil when it comes back.

local core = ...

local native = core.native.channels
local wait, cannot_copy, handles = core.wait, core.cannot_copy, core.handles
local error, floor, format = error, math.floor, string.format
local setmetatable, tonumber, type = setmetatable, tonumber, type

local methods = {}
local CHANNEL = { __index = methods }

local function handle_of(self, name)
    local handle = handles[self]
    if not handle then error("calling '" .. name .. "' on bad self (a channel expected)", 3) end
    return handle
end

-- Return Python's channel as a Lua object.
function core.channel_of(handle)
    local self = setmetatable({}, CHANNEL)
    handles[self] = handle
    return self
end

local function seconds_of(timeout, position, name)
    if timeout == nil then return nil end
    local timeout_s = type(timeout) ~= "boolean" and tonumber(timeout)
    if not timeout_s then
        error(format("bad argument #%d to '%s' (number expected, got %s)", position, name, type(timeout)), 3)
    end
    if not (timeout_s >= 0) then error(format("bad argument #%d to '%s' (no negative number)", position, name), 3) end
    return timeout_s
end

-- Put a value in, and wait while the channel is full, for `timeout` seconds at most. Returns 1; nil and "timeout" or
-- "closed".
function methods:send(value, timeout)
    local handle = handle_of(self, "send")
    local timeout_s = seconds_of(timeout, 2, "send")
    local complaint = cannot_copy(value, handles)
    if complaint then error("bad argument #1 to 'send' (" .. complaint .. ")", 2) end
    return wait(native.send, handle, value, timeout_s)
end

-- Take the value that was sent first, and wait while there is none. Returns it; nil and "timeout" or "closed".
function methods:receive(timeout)
    local handle = handle_of(self, "receive")
    return wait(native.receive, handle, (seconds_of(timeout, 1, "receive")))
end

-- How many values are in it.
function methods:count() return native.count((handle_of(self, "count"))) end

-- No more can be sent; what is in it can still be received. Returns 1; nil and "closed".
function methods:close() return native.close((handle_of(self, "close"))) end

-- A new channel that holds so many values.
function core.lasa.channel(size)
    local number = type(size) ~= "boolean" and tonumber(size)
    if not number then
        local got = core.type_name(size, size == nil and 0)
        error(format("bad argument #1 to 'channel' (number expected, got %s)", got), 2)
    end
    if not (number >= 1 and number <= 2 ^ 53) then
        error("bad argument #1 to 'channel' (positive number required)", 2)
    end
    return core.channel_of(native.new(floor(number)))
end
