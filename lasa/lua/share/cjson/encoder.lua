-- The encoder of cjson: encode(settings, value) gives true and the text, or false and the error's text.
-- Source: lua-cjson (OpenResty's), manual and observed behaviour.

local string_buffer = require("string.buffer")

local byte, format, rep, sub = string.byte, string.format, string.rep, string.sub
local error, getmetatable, next, pcall, rawequal, rawget, setmetatable, tonumber, type =
    error, getmetatable, next, pcall, rawequal, rawget, setmetatable, tonumber, type
local floor, huge = math.floor, math.huge
local raw_metatable = debug.getmetatable -- a __metatable field does not hide from it

local MAX_INT = 2 ^ 31 - 1
local TOSTRING_PRECISION = 14
local MAX_DEPTH = 4000 -- one level is a Lua call; lua-cjson, too, ends near here whatever the setting
local MAX_KEPT_KEY, MAX_KEPT_KEYS = 64, 4096 -- bytes, and keys
local MAX_KEPT_BUFFER = 1024 * 1024 -- bytes

-- Light userdata, which only LuaJIT's serialiser can make in Lua: ngx.null (see _core/null.lua), and an address in the
-- first page of memory, where nothing ever is: that of the bytes "[]".
local null = string_buffer.decode("\3")
local empty_array = string_buffer.decode("\4[]\0\0")

local Failure = {}

local function fail(...) error(setmetatable({ format(...) }, Failure), 0) end

-- Strings ----------------------------------------------------------------------------------------------------------

-- By byte: what stands for it, or false. Without holes, so that no look-up goes past the array.
local function escapes_of(slash)
    local escapes = {}
    for code = 0, 255 do escapes[code] = code < 32 and format("\\u%04x", code) end
    escapes[8], escapes[9], escapes[10], escapes[12], escapes[13] = "\\b", "\\t", "\\n", "\\f", "\\r"
    escapes[34], escapes[47], escapes[92], escapes[127] = '\\"', slash, "\\\\", "\\u007f"
    return escapes
end

local ESCAPES = { [true] = escapes_of("\\/"), [false] = escapes_of(false) }

-- Append the string in quotes, with `last` behind it.
local function put_string(out, value, escapes, last)
    local copied = 0
    for i = 1, #value do
        local escape = escapes[byte(value, i)]
        if escape then
            if copied == 0 then out:put('"') end
            if i > copied + 1 then out:put(sub(value, copied + 1, i - 1)) end
            out:put(escape)
            copied = i
        end
    end
    if copied == 0 then
        out:put('"', value, last)
    elseif copied < #value then
        out:put(sub(value, copied + 1), last)
    else
        out:put(last)
    end
end

-- Keys come again and again: what stands for them, colon included.
local kept_keys, kept_count = { [true] = {}, [false] = {} }, 0

local function put_key(out, key, settings)
    local slash = settings.encode_escape_forward_slash
    local kept = kept_keys[slash][key]
    if kept then
        out:put(kept)
        return
    end
    if #key > MAX_KEPT_KEY then
        put_string(out, key, ESCAPES[slash], '":')
        return
    end
    local one = string_buffer.new()
    put_string(one, key, ESCAPES[slash], '":')
    kept = one:get()
    if kept_count == MAX_KEPT_KEYS then
        kept_keys, kept_count = { [true] = {}, [false] = {} }, 0
    end
    kept_keys[slash][key] = kept
    kept_count = kept_count + 1
    out:put(kept)
end

-- Numbers ----------------------------------------------------------------------------------------------------------

local function put_invalid_number(out, value, mode)
    if mode == "null" then
        out:put("null")
    elseif not mode then
        fail("Cannot serialise number: must not be NaN or Infinity")
    elseif value ~= value then
        out:put("NaN")
    else
        out:put(value < 0 and "-Infinity" or "Infinity")
    end
end

local function put_number(out, value, settings)
    if value ~= value or value == huge or value == -huge then
        put_invalid_number(out, value, settings.encode_invalid_numbers)
    elseif settings.encode_number_precision == TOSTRING_PRECISION then
        out:put(value)
    else
        out:put(format("%." .. settings.encode_number_precision .. "g", value))
    end
end

-- Tables -----------------------------------------------------------------------------------------------------------

local put_value

-- The length as an array; -1: an object. A key beyond the C integers makes an object, as in lua-cjson.
local function array_length(value, settings)
    local max, count = 0, 0
    for key in next, value do
        if type(key) ~= "number" or key < 1 or key > MAX_INT or floor(key) ~= key then return -1 end
        if key > max then max = key end
        count = count + 1
    end
    local ratio = settings.encode_sparse_ratio
    if ratio > 0 and max > count * ratio and max > settings.encode_sparse_safe then
        if not settings.encode_sparse_convert then fail("Cannot serialise table: excessively sparse array") end
        return -1
    end
    return max
end

local IS_UNSUPPORTED = { cdata = true, ["function"] = true, thread = true, userdata = true }

local function is_unsupported(value)
    return IS_UNSUPPORTED[type(value)] and not rawequal(value, null) and not rawequal(value, empty_array)
end

local function put_array(out, value, settings, depth, length, raw)
    local skips, indent = settings.encode_skip_unsupported_value_types, settings.encode_indent
    local any = false
    out:put("[")
    for i = 1, length do
        local item
        if raw then item = rawget(value, i) else item = value[i] end
        if not (skips and is_unsupported(item)) then
            if any then out:put(",") end
            any = true
            if indent then out:put("\n", rep(indent, depth)) end
            put_value(out, item, settings, depth)
        end
    end
    if indent and length > 0 then out:put("\n", rep(indent, depth - 1)) end
    out:put("]")
end

local function put_object(out, value, settings, depth)
    local skips, indent = settings.encode_skip_unsupported_value_types, settings.encode_indent
    local any = false
    out:put("{")
    for key, item in next, value do
        local kind = type(key)
        if kind ~= "string" and kind ~= "number" then
            fail("Cannot serialise %s: table key must be a number or string", kind)
        end
        if not (skips and is_unsupported(item)) then
            if any then out:put(",") end
            any = true
            if indent then out:put("\n", rep(indent, depth)) end
            if kind == "string" then
                put_key(out, key, settings)
            else
                out:put('"')
                put_number(out, key, settings)
                out:put('":')
            end
            if indent then out:put(" ") end
            put_value(out, item, settings, depth)
        end
    end
    if indent and next(value) ~= nil then out:put("\n", rep(indent, depth - 1)) end
    out:put("}")
end

-- A table whose metatable is not one of cjson's own has a say in its length (__len) and its items (__index).
local function put_table_with_metatable(out, value, settings, depth, meta)
    if meta == settings.array_mt then return put_array(out, value, settings, depth, #value, true) end
    local length_of = rawget(meta, "__len")
    if length_of ~= nil then
        return put_array(out, value, settings, depth, tonumber((length_of(value))) or 0, false)
    end
    local length = array_length(value, settings)
    if length > 0 or (length == 0 and not settings.encode_empty_table_as_object) then
        return put_array(out, value, settings, depth, length, false)
    end
    if meta == settings.empty_array_mt then return put_array(out, value, settings, depth, #value, true) end
    return put_object(out, value, settings, depth)
end

local function put_table(out, value, settings, depth)
    if depth > settings.encode_max_depth or depth > MAX_DEPTH then
        fail("Cannot serialise, excessive nesting (%d)", depth)
    end
    local meta = raw_metatable(value)
    if meta then return put_table_with_metatable(out, value, settings, depth, meta) end
    local length = array_length(value, settings)
    if length > 0 or (length == 0 and not settings.encode_empty_table_as_object) then
        return put_array(out, value, settings, depth, length, true)
    end
    return put_object(out, value, settings, depth)
end

function put_value(out, value, settings, depth)
    local kind = type(value)
    if kind == "string" then
        put_string(out, value, ESCAPES[settings.encode_escape_forward_slash], '"')
    elseif kind == "number" then
        put_number(out, value, settings)
    elseif kind == "table" then
        return put_table(out, value, settings, depth + 1)
    elseif kind == "boolean" then
        out:put(value and "true" or "false")
    elseif value == nil or rawequal(value, null) then
        out:put("null")
    elseif rawequal(value, empty_array) then
        out:put("[]")
    elseif not settings.encode_skip_unsupported_value_types then
        fail("Cannot serialise %s: type not supported", kind)
    end
end

local spare = string_buffer.new() -- absent while in use: a metamethod may encode

local function encode(settings, value)
    local out = spare or string_buffer.new()
    spare = nil
    local good, failure = pcall(put_value, out, value, settings, 0)
    if good then
        local text = out:get()
        if #text > MAX_KEPT_BUFFER then out:free() end
        spare = out
        return true, text
    end
    spare = out:reset()
    if getmetatable(failure) == Failure then return false, failure[1] end
    error(failure, 0)
end

return { encode = encode, empty_array = empty_array, null = null }
