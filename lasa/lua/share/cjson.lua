-- The module cjson, as OpenResty's lua-cjson 2.1.0.x has it, in Lua: encode(), decode() and their settings.
--
-- It differs where lua-cjson is wrong: an integer beyond 64 bits is decoded to the nearest number and not cut to
-- 2^63 - 1, and a light userdata that is neither null nor empty_array is an error and not nothing.
-- Source: lua-cjson (OpenResty's), manual and observed behaviour.

local require_ours = select(2, ...) or require
local decode_text = require_ours("cjson.decoder")
local encoder = require_ours("cjson.encoder")
local encode_value = encoder.encode

local ceil, floor, format = math.ceil, math.floor, string.format
local error, select, tonumber, tostring, type = error, select, tonumber, tostring, type
local getinfo = debug.getinfo

local MAX_INT = 2 ^ 31 - 1

local array_mt, empty_array_mt = {}, {}

-- Raise what a C function says of its argument; to be called by the function that the user called.
local function bad_argument(number, message)
    error(format("bad argument #%d to '%s' (%s)", number, getinfo(2, "n").name or "?", message), 3)
end

-- Settings: each is a function that takes new values, nil for those that stay, and returns the values in force.

local function check_count(max, ...)
    if select("#", ...) > max then return max + 1, "found too many arguments" end
end

-- The value of an argument that names one of the options; nil and what is wrong with it.
local function choose(value, options)
    if type(value) == "boolean" then return value end
    if type(value) ~= "string" and type(value) ~= "number" then
        return nil, "string expected, got " .. type(value)
    end
    local chosen = options[tostring(value)]
    if chosen == nil then return nil, "invalid option '" .. tostring(value) .. "'" end
    return chosen
end

local SWITCH = { on = true, off = false }
local SWITCH_OR_NULL = { on = true, off = false, null = "null" }

local function integer(value, min, max)
    local number = tonumber(value)
    if type(value) ~= "number" and type(value) ~= "string" or not number then
        return nil, "number expected, got " .. type(value)
    end
    number = number < 0 and ceil(number) or floor(number)
    if not (number >= min and number <= max) then
        return nil, format("expected integer between %d and %d", min, max), 1
    end
    return number
end

-- One setting, whose values are what read(value, ...) returns; nil and a complaint for a bad one.
local function setting(settings, name, read, a, b)
    return function(...)
        local number, message = check_count(1, ...)
        if number then bad_argument(number, message) end
        local value = ...
        if value ~= nil then
            value, message = read(value, a, b)
            if message then bad_argument(1, message) end
            settings[name] = value
        end
        return settings[name]
    end
end

local function switch(settings, name, options) return setting(settings, name, choose, options or SWITCH) end

local function limit(settings, name, max) return setting(settings, name, integer, 1, max) end

local function sparse_array(settings)
    return function(...)
        local number, message = check_count(3, ...)
        if number then bad_argument(number, message) end
        local convert, ratio, safe = ...
        if convert ~= nil then
            convert, message = choose(convert, SWITCH)
            if message then bad_argument(1, message) end
            settings.encode_sparse_convert = convert
        end
        if ratio ~= nil then
            ratio, message, number = integer(ratio, 0, MAX_INT)
            if message then bad_argument(number or 2, message) end
            settings.encode_sparse_ratio = ratio
        end
        if safe ~= nil then
            safe, message, number = integer(safe, 0, MAX_INT)
            if message then bad_argument(number or 3, message) end
            settings.encode_sparse_safe = safe
        end
        return settings.encode_sparse_convert, settings.encode_sparse_ratio, settings.encode_sparse_safe
    end
end

local function indent(settings)
    return function(...)
        local number, message = check_count(1, ...)
        if number then bad_argument(number, message) end
        local value = ...
        if value ~= nil then
            if type(value) ~= "string" and type(value) ~= "number" then
                bad_argument(1, "string expected, got " .. type(value))
            end
            value = tostring(value)
            settings.encode_indent = value ~= "" and value or nil
        end
        return settings.encode_indent or ""
    end
end

local function new()
    local settings = {
        array_mt = array_mt,
        empty_array_mt = empty_array_mt,
        encode_sparse_convert = false,
        encode_sparse_ratio = 2,
        encode_sparse_safe = 10,
        encode_max_depth = 1000,
        encode_number_precision = 14,
        encode_keep_buffer = true, -- it changes nothing here: the buffer is kept, and a large one is not
        encode_invalid_numbers = false,
        encode_empty_table_as_object = true,
        encode_escape_forward_slash = true,
        encode_skip_unsupported_value_types = false,
        encode_indent = nil,
        decode_max_depth = 1000,
        decode_invalid_numbers = true,
        decode_array_with_array_mt = false,
        decode_allow_comment = false,
    }
    local cjson = {
        _NAME = "cjson",
        _VERSION = "2.1.0.11",
        null = encoder.null,
        empty_array = encoder.empty_array,
        array_mt = array_mt,
        empty_array_mt = empty_array_mt,
        new = new,
        encode_sparse_array = sparse_array(settings),
        encode_max_depth = limit(settings, "encode_max_depth", MAX_INT),
        encode_number_precision = limit(settings, "encode_number_precision", 16),
        encode_keep_buffer = switch(settings, "encode_keep_buffer"),
        encode_invalid_numbers = switch(settings, "encode_invalid_numbers", SWITCH_OR_NULL),
        encode_empty_table_as_object = switch(settings, "encode_empty_table_as_object"),
        encode_escape_forward_slash = switch(settings, "encode_escape_forward_slash"),
        encode_skip_unsupported_value_types = switch(settings, "encode_skip_unsupported_value_types"),
        encode_indent = indent(settings),
        decode_max_depth = limit(settings, "decode_max_depth", MAX_INT),
        decode_invalid_numbers = switch(settings, "decode_invalid_numbers"),
        decode_array_with_array_mt = switch(settings, "decode_array_with_array_mt"),
        decode_allow_comment = switch(settings, "decode_allow_comment"),
    }

    function cjson.encode(...)
        if select("#", ...) ~= 1 then bad_argument(1, "expected 1 argument") end
        local good, text = encode_value(settings, (...))
        if not good then error(text, 2) end
        return text
    end

    function cjson.decode(...)
        if select("#", ...) ~= 1 then bad_argument(1, "expected 1 argument") end
        local text = ...
        if type(text) ~= "string" then
            if type(text) ~= "number" then bad_argument(1, "string expected, got " .. type(text)) end
            text = tostring(text)
        end
        local good, value = decode_text(settings, text, array_mt)
        if not good then error(value, 2) end
        return value
    end

    return cjson
end

return new()
