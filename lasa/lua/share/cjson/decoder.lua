-- The decoder of cjson: decode(settings, text) gives true and the value, or false and the error's text.
--
-- One loop with a stack of its own instead of a function per kind of value: that is what LuaJIT compiles well, and
-- the depth of a document is limited by the settings alone. A string without a backslash is cut out in one piece.
-- It takes what lua-cjson takes, which is more than JSON: strtod()'s numbers (+1, 0x1F, .5 after a sign, 1., Infinity,
-- NaN) unless decode_invalid_numbers is off, and a NUL byte ends the text.
-- Source: lua-cjson (OpenResty's), manual and observed behaviour.

local string_buffer = require("string.buffer")
local null = string_buffer.decode("\3") -- ngx.null, see _core/null.lua

local byte, char, find, format = string.byte, string.char, string.find, string.format
local lower, match, sub = string.lower, string.match, string.sub
local error, getmetatable, pcall, setmetatable, tonumber, type =
    error, getmetatable, pcall, setmetatable, tonumber, type

local ESCAPES = {
    [34] = '"', [92] = "\\", [47] = "/", [98] = "\b", [102] = "\f", [110] = "\n", [114] = "\r", [116] = "\t",
}
local TOKENS = {
    [123] = "T_OBJ_BEGIN", [125] = "T_OBJ_END", [91] = "T_ARR_BEGIN", [93] = "T_ARR_END",
    [58] = "T_COLON", [44] = "T_COMMA", [34] = "T_STRING",
}
local POWERS_OF_TEN = {}
for i = 0, 22 do POWERS_OF_TEN[i] = tonumber("1e" .. i) end -- those that a double holds exactly
local EXACT = 2 ^ 53

local Failure = {}

local function fail(...) error(setmetatable({ format(...) }, Failure), 0) end

-- What the decoder is at; it runs no code of the user's, so there is one at a time. `backslash` is where the next one
-- is, from the last place that was asked for; a search for each string would cost the square of the length.
local text, backslash, settings

-- Skip white space, and comments where they are allowed; returns where the next token begins, and its first byte.
local function skip(pos)
    while true do
        local b = byte(text, pos)
        while b == 32 or b == 10 or b == 13 or b == 9 do
            pos = pos + 1
            b = byte(text, pos)
        end
        if b ~= 47 or not settings.decode_allow_comment then return pos, b end
        local second = byte(text, pos + 1)
        if second == 47 then
            pos = find(text, "\n", pos + 2, true) or #text + 1
        elseif second == 42 then
            local _, last = find(text, "*/", pos + 2, true)
            if not last then return #text + 1, -1 end
            pos = last + 1
        else
            return pos, b
        end
    end
end

-- Numbers ----------------------------------------------------------------------------------------------------------

-- What strtod() takes at pos: its text and where it ends.
local function longest_number(pos)
    local from, to = find(text, "^[+-]?0[xX]%x*%.?%x*", pos)
    if from and match(text, "^[+-]?0[xX]%.?%x", pos) then
        local _, exponent = find(text, "^[pP][+-]?%d+", to + 1)
        return sub(text, pos, exponent or to), (exponent or to) + 1
    end
    from, to = find(text, "^[+-]?%d+%.?%d*", pos)
    if not from then from, to = find(text, "^[+-]?%.%d+", pos) end
    if from then
        local _, exponent = find(text, "^[eE][+-]?%d+", to + 1)
        return sub(text, pos, exponent or to), (exponent or to) + 1
    end
    local sign, word = match(text, "^([+-]?)(%a+)", pos)
    word = word and lower(word)
    if not word then return nil end
    local after = pos + #sign
    if sub(word, 1, 8) == "infinity" then return sign .. "inf", after + 8 end
    if sub(word, 1, 3) == "inf" then return sign .. "inf", after + 3 end
    if sub(word, 1, 3) == "nan" then
        local _, last = find(text, "^%([%w_]*%)", after + 3)
        return "nan", (last or after + 2) + 1
    end
    return nil
end

-- Whether a number is one that decode_invalid_numbers(false) refuses.
local function is_beyond_json(pos)
    local head = lower(sub(text, pos, pos + 4))
    return find(head, "^%+") or find(head, "^%-?0[x%d]") or find(head, "^%-?inf") or find(head, "^%-?nan")
end

local function read_any_number(pos)
    if not settings.decode_invalid_numbers and is_beyond_json(pos) then return nil, pos, "invalid number" end
    local digits, after = longest_number(pos)
    if not digits then return nil, pos, "invalid number" end
    if find(digits, "^[+-]?0[xX]") and byte(digits, 2) ~= 120 and byte(digits, 3) ~= 120 then
        return 0, (find(text, "X", pos, true)) -- 0X1F: the 0 is a number, the X is not
    end
    local value = tonumber(digits)
    if not value then -- a word, or an exponent that tonumber() does not take
        local is_zero = find(digits, "[eEpP]%-") or find(digits, "^[+-]?[0.]+[eE]") or find(digits, "^[+-]?0x[0.]+p")
        value = digits == "nan" and 0 / 0 or is_zero and 0 or 1 / 0
        if byte(digits) == 45 then value = -value end
    elseif find(digits, "^%-0+$") then -- an integer, which has no -0
        value = 0
    end
    return value, after
end

-- The usual numbers without making a string of them; returns the value and where it ends, or nil, pos and the error.
local function read_number(pos, b)
    local start, negative = pos, false
    if b == 45 then
        negative = true
        pos = pos + 1
        b = byte(text, pos)
    end
    local first = pos
    local value = 0
    while b and b >= 48 and b <= 57 do
        value = value * 10 + (b - 48)
        pos = pos + 1
        b = byte(text, pos)
    end
    local digits = pos - first
    if digits == 0 or (digits > 1 and byte(text, first) == 48) then return read_any_number(start) end
    if b == 46 then
        first = pos + 1
        repeat
            pos = pos + 1
            b = byte(text, pos)
            if not b or b < 48 or b > 57 then break end
            value = value * 10 + (b - 48)
        until false
        local decimals = pos - first
        if decimals > 22 or value >= EXACT then return read_any_number(start) end
        value = value / POWERS_OF_TEN[decimals] -- both are exact, so this rounds once, as strtod() does
        if negative then value = -value end
    elseif value >= EXACT then
        return read_any_number(start)
    elseif negative and value ~= 0 then
        value = -value
    end
    if b == 101 or b == 69 or b == 120 or b == 88 then return read_any_number(start) end
    return value, pos
end

-- Strings ----------------------------------------------------------------------------------------------------------

local function utf8(code)
    if code < 0x80 then return char(code) end
    if code < 0x800 then return char(0xC0 + (code - code % 64) / 64, 0x80 + code % 64) end
    local low, middle = code % 64, (code - code % 64) / 64
    if code < 0x10000 then return char(0xE0 + (middle - middle % 64) / 64, 0x80 + middle % 64, 0x80 + low) end
    local high = (middle - middle % 64) / 64
    return char(0xF0 + (high - high % 64) / 64, 0x80 + high % 64, 0x80 + middle % 64, 0x80 + low)
end

local HEX = {} -- by byte, without holes
for b = 0, 255 do HEX[b] = tonumber(char(b), 16) or -1 end

-- The number of the \uXXXX at pos; nil for anything else.
local function read_code(pos)
    local slash, u, a, b, c, d = byte(text, pos, pos + 5)
    if slash ~= 92 or u ~= 117 or not d then return nil end
    a, b, c, d = HEX[a], HEX[b], HEX[c], HEX[d]
    if a < 0 or b < 0 or c < 0 or d < 0 then return nil end
    return a * 4096 + b * 256 + c * 16 + d
end

-- The character of a \uXXXX, or of two of them, at pos, and where it ends.
local function read_unicode(pos)
    local code = read_code(pos)
    if not code then return nil end
    if code < 0xD800 or code > 0xDFFF then return utf8(code), pos + 6 end
    local low = read_code(pos + 6)
    if code >= 0xDC00 or not low or low < 0xDC00 or low > 0xDFFF then return nil end
    return utf8(0x10000 + (code - 0xD800) * 1024 + (low - 0xDC00)), pos + 12
end

local out = string_buffer.new()

-- The same rule for `quote`, the next one from pos on: it stays the next one until an escape has gone past it.
local function read_escaped_string(pos, quote)
    out:reset()
    while true do
        if quote < pos then quote = find(text, '"', pos, true) or #text + 1 end
        if backslash < pos then backslash = find(text, "\\", pos, true) or #text + 1 end
        if quote < backslash then
            out:put(sub(text, pos, quote - 1))
            return out:get(), quote + 1
        end
        if backslash > #text then return nil, #text + 1, "unexpected end of string" end
        if backslash > pos then out:put(sub(text, pos, backslash - 1)) end
        local b = byte(text, backslash + 1)
        if b == 117 then
            local character, after = read_unicode(backslash)
            if not character then return nil, backslash, "invalid unicode escape code" end
            out:put(character)
            pos = after
        else
            local escaped = ESCAPES[b]
            if not escaped then return nil, backslash, "invalid escape code" end
            out:put(escaped)
            pos = backslash + 2
        end
    end
end

-- The string whose first byte is at pos: its value and where it ends, or nil, where it goes wrong, and the error.
local function read_string(pos)
    local quote = find(text, '"', pos, true)
    if backslash < pos then backslash = find(text, "\\", pos, true) or #text + 1 end
    if quote and quote < backslash then return sub(text, pos, quote - 1), quote + 1 end
    return read_escaped_string(pos, quote or #text + 1)
end

-- Errors -----------------------------------------------------------------------------------------------------------

local function read_word(pos)
    if sub(text, pos, pos + 3) == "true" then return true, pos + 4 end
    if sub(text, pos, pos + 4) == "false" then return false, pos + 5 end
    if sub(text, pos, pos + 3) == "null" then return null, pos + 4 end
    if settings.decode_invalid_numbers and is_beyond_json(pos) then return read_any_number(pos) end
    return nil, pos, "invalid token"
end

-- The name of the token at pos, or what is wrong with it, and where; the tokens' names are lua-cjson's.
local function name_token(pos, b)
    if not b then return "T_END", pos end
    if b == -1 then return "unclosed multi-line comment", pos end
    local value, where, message
    backslash = 0 -- the token may have been read before
    if b == 34 then
        value, where, message = read_string(pos + 1)
    elseif b == 45 or b >= 48 and b <= 57 then
        value, where, message = read_any_number(pos)
    elseif TOKENS[b] then
        return TOKENS[b], pos
    elseif find("fiInNt+", char(b), 1, true) then
        value, where, message = read_word(pos)
    else
        return "invalid token", pos
    end
    if value == nil then return message, where end
    if b == 34 then return "T_STRING", pos end
    if value == null then return "T_NULL", pos end
    if type(value) == "boolean" then return "T_BOOLEAN", pos end
    return find(text, "^[+-]?%d+%f[^%d.eEx]", pos) and "T_INTEGER" or "T_NUMBER", pos
end

local function fail_expected(what, pos, b)
    local found, where = name_token(pos, b)
    fail("Expected %s but found %s at character %d", what, found, where)
end

-- The loop ---------------------------------------------------------------------------------------------------------

-- The key at pos and the colon behind it; returns the key and where its value may begin.
local function read_key(pos, b)
    if b ~= 34 then fail_expected("object key string", pos, b) end
    local key, after = read_string(pos + 1)
    if not key then fail_expected("object key string", pos, b) end
    pos, b = after, byte(text, after)
    if b ~= 58 then
        pos, b = skip(pos)
        if b ~= 58 then fail_expected("colon", pos, b) end
    end
    return key, pos + 1
end

local function read_document(array_mt)
    local pos, b = 1, nil
    local depth, max_depth = 0, settings.decode_max_depth
    local outer, outer_key = {}, {} -- the containers around this one, and where in them it goes
    local container, key, count -- key is nil in an array
    while true do
        local value
        b = byte(text, pos)
        if b == 32 or b == 10 or b == 13 or b == 9 or b == 47 then pos, b = skip(pos) end
        if b == 34 then
            local after, message
            value, after, message = read_string(pos + 1)
            if message then fail("Expected value but found %s at character %d", message, after) end
            pos = after
        elseif b == 123 or b == 91 then
            depth = depth + 1
            if depth > max_depth then
                fail("Found too many nested data structures (%d) at character %d", depth, pos)
            end
            local opened, opener = {}, b
            pos, b = skip(pos + 1)
            if opener == 91 and array_mt then setmetatable(opened, array_mt) end
            if b == opener + 2 then
                depth = depth - 1
                pos = pos + 1
                value = opened
            else
                outer[depth], outer_key[depth] = container, key or count
                container = opened
                if opener == 123 then
                    key, pos = read_key(pos, b)
                else
                    key, count = nil, 0
                    if b == -1 then fail_expected("value", pos, b) end
                end
            end
        elseif b and (b == 45 or b >= 48 and b <= 57) then
            local after, message
            value, after, message = read_number(pos, b)
            if message then fail("Expected value but found %s at character %d", message, after) end
            pos = after
        elseif b and b > 0 and find("fiInNt+", char(b), 1, true) then
            local after, message
            value, after, message = read_word(pos)
            if message then fail("Expected value but found %s at character %d", message, after) end
            pos = after
        else
            fail_expected("value", pos, b)
        end
        -- Place the value; a container that it completes is the next value to place.
        while value ~= nil do
            if not container then
                pos, b = skip(pos)
                if b then fail_expected("the end", pos, b) end
                return value
            end
            if key then
                container[key] = value
            else
                count = count + 1
                container[count] = value
            end
            b = byte(text, pos)
            if b ~= 44 and b ~= 125 and b ~= 93 then pos, b = skip(pos) end
            if b == 44 then
                if key then
                    b = byte(text, pos + 1)
                    if b == 34 then
                        key, pos = read_key(pos + 1, b)
                    else
                        key, pos = read_key(skip(pos + 1))
                    end
                else
                    pos = pos + 1
                end
                break
            end
            if b ~= (key and 125 or 93) then
                fail_expected(key and "comma or object end" or "comma or array end", pos, b)
            end
            pos = pos + 1
            value = container
            container, key = outer[depth], outer_key[depth]
            depth = depth - 1
            if type(key) == "number" then
                count = key
                key = nil
            end
        end
    end
end

return function(with, source, array_mt)
    local first, second = byte(source, 1, 2)
    if second and (first == 0 or second == 0) then
        return false, "JSON parser does not support UTF-16 or UTF-32"
    end
    local ending = find(source, "\0", 1, true)
    text, settings, backslash = ending and sub(source, 1, ending - 1) or source, with, 0
    local good, value = pcall(read_document, with.decode_array_with_array_mt and array_mt)
    text = nil
    if good then return true, value end
    if getmetatable(value) == Failure then return false, value[1] end
    error(value, 0)
end
