-- Base64: ngx.encode_base64 and its like, and the module ngx.base64. The rules are lasa.codec's, written here once
-- more: a call of Python costs twenty times what LuaJIT needs for a short string.
-- Source: OpenResty's manual; the checks of arguments are those of lua-resty-core.

local core = ...

local bit, ffi = require "bit", require "ffi"
local band, bor, lshift, rshift = bit.band, bit.bor, bit.lshift, bit.rshift
local error, type = error, type
local ceil = math.ceil
local cast, string_from, string_bytes = ffi.cast, ffi.string, ffi.typeof("const uint8_t *")
local scratch, text_of = core.scratch, core.arguments.text
local ngx, lasa = core.ngx, core.lasa

local LETTERS_AND_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
local EQUALS = ("="):byte()
local FOREIGN, PADDING = 255, 254 -- what stands for no 6 bits

-- Returns two tables: from 12 bits to the two digits for them, and from a character to its 6 bits.
local function alphabet(digits)
    local pairs_of_digits = ffi.new("uint8_t[8192]")
    local values = ffi.new("uint8_t[256]")
    for c = 0, 255 do values[c] = FOREIGN end
    values[EQUALS] = PADDING
    for high = 0, 63 do
        values[digits:byte(high + 1)] = high
        for low = 0, 63 do
            local at = (high * 64 + low) * 2
            pairs_of_digits[at] = digits:byte(high + 1)
            pairs_of_digits[at + 1] = digits:byte(low + 1)
        end
    end
    return pairs_of_digits, values
end

local STANDARD_DIGITS, STANDARD_VALUES = alphabet(LETTERS_AND_DIGITS .. "+/")
local URL_DIGITS, URL_VALUES = alphabet(LETTERS_AND_DIGITS .. "-_")

local function put_two(to, at, digits, twelve_bits)
    to[at] = digits[twelve_bits * 2]
    to[at + 1] = digits[twelve_bits * 2 + 1]
end

local function encode(s, digits, is_padded)
    local n = #s
    local from, to = cast(string_bytes, s), scratch(ceil(n / 3) * 4)
    local at, size = 0, 0
    while at + 2 < n do
        local group = bor(lshift(from[at], 16), lshift(from[at + 1], 8), from[at + 2])
        put_two(to, size, digits, rshift(group, 12))
        put_two(to, size + 2, digits, band(group, 4095))
        at, size = at + 3, size + 4
    end
    if at == n then return string_from(to, size) end
    put_two(to, size, digits, bor(lshift(from[at], 4), at + 1 < n and rshift(from[at + 1], 4) or 0))
    size = size + 2
    if at + 1 < n then
        to[size] = digits[lshift(band(from[at + 1], 15), 2) * 2 + 1]
        size = size + 1
    end
    while is_padded and band(size, 3) ~= 0 do
        to[size] = EQUALS
        size = size + 1
    end
    return string_from(to, size)
end

local function put_three(to, at, group)
    to[at] = band(rshift(group, 16), 255)
    to[at + 1] = band(rshift(group, 8), 255)
    to[at + 2] = band(group, 255)
end

-- Returns nil for what is no base64. Everything from the first "=" on is ignored.
local function decode(s, values, skips_foreign)
    local n = #s
    local from, to = cast(string_bytes, s), scratch(n + 3)
    local at, size, group, digits = 0, 0, 0, 0
    repeat
        while at + 3 < n do -- four digits at once, as long as nothing is between them
            local a, b, c, d = values[from[at]], values[from[at + 1]], values[from[at + 2]], values[from[at + 3]]
            if bor(a, b, c, d) > 63 then break end
            put_three(to, size, bor(lshift(a, 18), lshift(b, 12), lshift(c, 6), d))
            at, size = at + 4, size + 3
        end
        group, digits = 0, 0
        while at < n and digits < 4 do
            local value = values[from[at]]
            at = at + 1
            if value < 64 then
                group, digits = bor(lshift(group, 6), value), digits + 1
            elseif value == PADDING then
                at = n
            elseif not skips_foreign then
                return nil
            end
        end
        if digits == 4 then
            put_three(to, size, group)
            size = size + 3
        end
    until digits < 4
    if digits == 1 then return nil end
    if digits > 1 then -- the bits that are left over are ignored
        put_three(to, size, lshift(group, digits == 2 and 12 or 6))
        size = size + digits - 1
    end
    return string_from(to, size)
end

function ngx.encode_base64(s, no_padding)
    if type(s) ~= "string" then s = text_of(s) end
    if no_padding and no_padding ~= true then
        error("bad no_padding: boolean expected, got " .. type(no_padding), 2)
    end
    return encode(s, STANDARD_DIGITS, not no_padding)
end

function ngx.decode_base64(s)
    if type(s) ~= "string" then error("string argument only", 2) end
    return decode(s, STANDARD_VALUES, false)
end

function ngx.decode_base64mime(s)
    if type(s) ~= "string" then error("string argument only", 2) end
    return decode(s, STANDARD_VALUES, true)
end

local base64 = { version = core.ngx_lua_resty_version }
core.modules["ngx.base64"] = base64

function base64.encode_base64url(s)
    if type(s) ~= "string" then return nil, "must provide a string" end
    return encode(s, URL_DIGITS, false)
end

function base64.decode_base64url(s)
    if type(s) ~= "string" then return nil, "must provide a string" end
    local data = decode(s, URL_VALUES, false)
    if not data then return nil, "invalid input" end
    return data
end

lasa.encode_base64 = ngx.encode_base64
lasa.decode_base64 = ngx.decode_base64
lasa.decode_base64mime = ngx.decode_base64mime
lasa.encode_base64url = base64.encode_base64url
lasa.decode_base64url = base64.decode_base64url
