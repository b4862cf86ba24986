-- Shared dictionaries: ngx.shared.NAME, for those that the host has declared. What they hold lives in Python.
-- Source: OpenResty's manual, "ngx.shared.DICT"; the checks of arguments are those of lua-resty-core, and of
-- lua-nginx-module for the calls that are C functions there.

local core = ...

local native = core.native.dictionary
local arguments = core.arguments
local string_of, integer_of, check_table = arguments.string, arguments.integer, arguments.table
local byte, ceil, floor, sub = string.byte, math.ceil, math.floor, string.sub
local error, select, tonumber, tostring, type = error, select, tonumber, tostring, type

local KEY_MAX = 65535
local KEYS_MAX = 1024 -- what get_keys returns if nobody asks for more
local INT_MIN = -2 ^ 31

local methods = {}
methods.__index = methods

local is_handle = {} -- the handles of all dictionaries: a table that holds none is no dictionary

-- ---- arguments -----------------------------------------------------------------------------------------------------

local function handle_of(zone)
    local handle = type(zone) == "table" and zone[1]
    if not is_handle[handle] then error('bad "zone" argument', 3) end
    return handle
end

-- Returns a key as a string, or nil and what is wrong with it.
local function checked_key(key)
    if type(key) ~= "string" then
        if key == nil then return nil, "nil key" end
        key = tostring(key)
    end
    local n = #key
    if n == 0 then return nil, "empty key" end
    if n > KEY_MAX then return nil, "key too long" end
    return key
end

-- Returns whole milliseconds; what no time can hold is 0, which means never.
local function milliseconds(seconds)
    local ms = seconds * 1000
    if not (ms > -2 ^ 53 and ms < 2 ^ 53) then return 0 end
    return ms < 0 and ceil(ms) or floor(ms)
end

local function checked_flags(flags)
    if type(flags) ~= "number" then error('bad "flags" argument', 3) end
    if not (flags >= INT_MIN and flags < -INT_MIN) then return INT_MIN end -- what C makes of it
    return flags < 0 and ceil(flags) or floor(flags)
end

-- ---- one value of a key --------------------------------------------------------------------------------------------

-- Returns a method that stores; takes_nil says that a nil value removes the key.
local function storing(store, takes_nil)
    return function(zone, key, value, exptime, flags)
        local handle = handle_of(zone)
        if not exptime then
            exptime = 0
        elseif exptime < 0 then
            error('bad "exptime" argument', 2)
        end
        flags = flags and checked_flags(flags) or 0
        local err
        key, err = checked_key(key)
        if not key then return nil, err end
        local kind = type(value)
        if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
            if value ~= nil then return nil, "bad value type" end
            if takes_nil then return native.delete(handle, key) end
            return false, "attempt to add or replace nil values", false
        end
        return store(handle, key, value, milliseconds(exptime), flags)
    end
end

methods.set = storing(native.set, true)
methods.safe_set = storing(native.safe_set, true)
methods.add = storing(native.add, false)
methods.safe_add = storing(native.safe_add, false)
methods.replace = storing(native.replace, false)

-- Returns a method that asks for one key.
local function asking(ask)
    return function(zone, key)
        local handle = handle_of(zone)
        local err
        key, err = checked_key(key)
        if not key then return nil, err end
        return ask(handle, key)
    end
end

methods.get = asking(native.get)
methods.get_stale = asking(native.get_stale)
methods.delete = asking(native.delete)
methods.ttl = asking(native.ttl)

local function checked_number(value, name)
    local number = tonumber(value)
    if not number then error("bad " .. name .. " arg: number expected, got " .. type(value), 3) end
    return number
end

function methods.incr(zone, key, value, init, init_ttl)
    local handle = handle_of(zone)
    local err
    key, err = checked_key(key)
    if not key then return nil, err end
    value = checked_number(value, "value")
    init = init and checked_number(init, "init") or nil
    if init_ttl == nil then return native.incr(handle, key, value, init, 0) end
    init_ttl = checked_number(init_ttl, "init_ttl")
    if init_ttl < 0 then error('bad "init_ttl" argument', 2) end
    if not init then error('must provide "init" when providing "init_ttl"', 2) end
    return native.incr(handle, key, value, init, milliseconds(init_ttl))
end

function methods.expire(zone, key, exptime)
    local handle = handle_of(zone)
    if not exptime then error('bad "exptime" argument', 2) end
    local err
    key, err = checked_key(key)
    if not key then return nil, err end
    return native.expire(handle, key, milliseconds(exptime))
end

-- ---- lists ---------------------------------------------------------------------------------------------------------

-- These calls take no key but strings and numbers.

local function pushing(push)
    return function(...)
        local n = select("#", ...)
        if n ~= 3 then error("expecting 3 arguments, but only seen " .. n, 2) end
        local zone, key, value = ...
        local handle = handle_of(zone)
        if key ~= nil then key = string_of(2, key) end
        local err
        key, err = checked_key(key)
        if not key then return nil, err end
        if type(value) ~= "string" and type(value) ~= "number" then return nil, "bad value type" end
        return push(handle, key, value)
    end
end

methods.lpush = pushing(native.lpush)
methods.rpush = pushing(native.rpush)

local function of_list(ask)
    return function(...)
        local n = select("#", ...)
        if n ~= 2 then error("expecting 2 arguments, but only seen " .. n, 2) end
        local zone, key = ...
        local handle = handle_of(zone)
        if key ~= nil then key = string_of(2, key) end
        local err
        key, err = checked_key(key)
        if not key then return nil, err end
        return ask(handle, key)
    end
end

methods.lpop = of_list(native.lpop)
methods.rpop = of_list(native.rpop)
methods.llen = of_list(native.llen)

-- ---- all keys ------------------------------------------------------------------------------------------------------

function methods.flush_all(zone) native.flush_all(handle_of(zone)) end

-- Returns a method of a dictionary and, perhaps, how many keys at most.
local function limited(call, default)
    return function(...)
        local n = select("#", ...)
        if n ~= 1 and n ~= 2 then error("expecting 1 or 2 argument(s), but saw " .. n, 2) end
        local zone, limit = ...
        check_table(1, zone)
        if not is_handle[zone[1]] then error("bad user data for the ngx_shm_zone_t pointer", 2) end
        return call(zone[1], n == 2 and integer_of(2, limit) or default)
    end
end

methods.flush_expired = limited(native.flush_expired, 0)

methods.get_keys = limited(function(handle, limit)
    local packed = native.get_keys(handle, limit)
    local keys, count, at = {}, 0, 1
    while at < #packed do
        local high, low = byte(packed, at, at + 1)
        local stop = at + 1 + high * 256 + low
        count = count + 1
        keys[count] = sub(packed, at + 2, stop)
        at = stop + 1
    end
    return keys
end, KEYS_MAX)

function methods.capacity(zone) return native.capacity(handle_of(zone)) end

function methods.free_space(zone) return native.free_space(handle_of(zone)) end

-- ---- ngx.shared ----------------------------------------------------------------------------------------------------

local function open_all(...)
    local shared = {}
    for i = 1, select("#", ...) do
        local name = select(i, ...)
        local handle = native.open(name)
        is_handle[handle] = true
        shared[name] = setmetatable({ handle }, methods)
    end
    return shared
end

core.ngx.shared = open_all(native.names())
