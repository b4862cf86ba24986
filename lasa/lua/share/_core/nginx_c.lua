-- ffi.C as it is in nginx's process: the few C functions of nginx's own that libraries call and that mean something
-- without nginx, in Lua; and those of the libraries that nginx is linked to, which are made known to the process when a
-- script first asks for one that is not. All else is the real one's.
-- Source: nginx, ngx_string.c, ngx_hash.c, ngx_murmurhash.c, ngx_times.c, ngx_parse_time.c.

local core = ...

local bit, ffi = require "bit", core.ffi
local band, bxor, lshift, rshift, tobit = bit.band, bit.bxor, bit.lshift, bit.rshift, bit.tobit
local cast, copy, string_from, typeof = ffi.cast, ffi.copy, ffi.string, ffi.typeof
local byte, find, gsub, lower = string.byte, string.find, string.gsub, string.lower
local match, rep, sub = string.match, string.rep, string.sub
local error, pcall, rawset, setmetatable, tonumber, tostring, type =
    error, pcall, rawset, setmetatable, tonumber, tostring, type
local ngx = core.ngx

local DIGITS = "0123456789abcdef"
local MAX = 2 ^ 63 -- what a Lua number makes of nginx's largest
local Bytes, Text, Unsigned = typeof "uint8_t *", typeof "const uint8_t *", typeof "uint64_t"

local C = {}

-- ---- numbers --------------------------------------------------------------------------------------------------------

-- Write each byte of `source` as two hexadecimal digits, and return where they end.
function C.ngx_hex_dump(target, source, size)
    target, source = cast(Bytes, target), cast(Text, source)
    for i = 0, tonumber(size) - 1 do
        local value = source[i]
        target[2 * i] = byte(DIGITS, value / 16 + 1)
        target[2 * i + 1] = byte(DIGITS, value % 16 + 1)
    end
    return target + 2 * size
end

-- These return -1 for anything but digits, and for what 63 bits do not hold.

local function number_of(digits)
    local number = tonumber(digits) or -1
    return number <= MAX and number or -1
end

function C.ngx_atoi(line, size)
    local digits = string_from(line, size)
    return find(digits, "^%d+$") and number_of(digits) or -1
end
C.ngx_atosz, C.ngx_atoof, C.ngx_atotm = C.ngx_atoi, C.ngx_atoi, C.ngx_atoi

function C.ngx_hextoi(line, size)
    local digits = match(string_from(line, size), "^0*(%x+)$")
    if not digits or #digits > 16 or #digits == 16 and find(digits, "^[^0-7]") then return -1 end
    return tonumber("0x" .. digits)
end

-- A number with so many decimals, without its point.
function C.ngx_atofp(line, size, decimals)
    local whole, fraction = match(string_from(line, size), "^(%d*)%.?(%d*)$")
    if not whole or size == 0 or #fraction > decimals then return -1 end
    return number_of(whole .. fraction .. rep("0", decimals - #fraction))
end

-- ---- hashes ---------------------------------------------------------------------------------------------------------

-- The product of two 32-bit numbers, cut to 32 bits.
local function multiplied(a, b)
    return tobit(band(a, 0xFFFF) * b % 2 ^ 32 + lshift(band(rshift(a, 16) * band(b, 0xFFFF), 0xFFFF), 16))
end

function C.ngx_murmur_hash2(data, size)
    data, size = cast(Text, data), tonumber(size)
    local M = 0x5bd1e995
    local hash, at = tobit(size), 0
    while size >= 4 do
        local k = data[at] + data[at + 1] * 2 ^ 8 + data[at + 2] * 2 ^ 16 + data[at + 3] * 2 ^ 24
        k = multiplied(tobit(k), M)
        k = multiplied(bxor(k, rshift(k, 24)), M)
        hash = bxor(multiplied(hash, M), k)
        at, size = at + 4, size - 4
    end
    if size > 0 then
        for i = size - 1, 0, -1 do hash = bxor(hash, lshift(data[at + i], 8 * i)) end
        hash = multiplied(hash, M)
    end
    hash = multiplied(bxor(hash, rshift(hash, 13)), M)
    return bxor(hash, rshift(hash, 15)) % 2 ^ 32
end

local function hash_of(text)
    local key = Unsigned(0)
    for i = 1, #text do key = key * 31 + byte(text, i) end
    return key
end

function C.ngx_hash_key(data, size) return hash_of(string_from(data, size)) end

function C.ngx_hash_key_lc(data, size) return hash_of(lower(string_from(data, size))) end

function C.ngx_hash_strlow(target, source, size)
    local text = lower(string_from(source, size))
    copy(target, text, #text)
    return hash_of(text)
end

-- ---- texts ----------------------------------------------------------------------------------------------------------

local function compared(one, two)
    if one == two then return 0 end
    for i = 1, #one + 1 do
        local a, b = byte(one, i) or 0, byte(two, i) or 0
        if a ~= b then return a - b end
    end
end

function C.ngx_strcasecmp(one, two) return compared(lower(string_from(one)), lower(string_from(two))) end

function C.ngx_strncasecmp(one, two, size)
    size = tonumber(size)
    local function cut(text)
        text = cast(Text, text)
        local length = 0
        while length < size and text[length] ~= 0 do length = length + 1 end
        return lower(string_from(text, length))
    end
    return compared(cut(one), cut(two))
end

-- Write the text escaped, and return where it ends; without a target, how many characters have to be.
function C.ngx_escape_uri(target, source, size, kind)
    local text = string_from(source, size)
    local escaped = ngx.escape_uri(text, tonumber(kind))
    if target == nil then return cast("uintptr_t", (#escaped - #text) / 2) end
    copy(target, escaped, #escaped)
    return cast("uintptr_t", cast(Bytes, target) + #escaped)
end

-- ---- time -----------------------------------------------------------------------------------------------------------

local function written(target, text)
    copy(target, text, #text)
    return cast(Bytes, target) + #text
end

function C.ngx_http_time(target, time_s) return written(target, ngx.http_time(tonumber(time_s))) end

function C.ngx_http_cookie_time(target, time_s) return written(target, ngx.cookie_time(tonumber(time_s))) end

function C.ngx_parse_http_time(value, size) return ngx.parse_http_time(string_from(value, size)) or -1 end

-- ---- the real one ---------------------------------------------------------------------------------------------------

local real = ffi.C

local function get(name) return real[name] end

local function look_up(name)
    local ok, value = pcall(get, name)
    local number = 0
    while not ok and find(tostring(value), "undefined symbol", 1, true) and core.native.loader.promote_library(number) do
        ok, value = pcall(get, name)
        number = number + 1
    end
    if not ok then error((gsub(value, "^[^:]*:%d+: ", "", 1)), 3) end -- without our place
    return value
end

ffi.C = setmetatable(C, {
    __newindex = real,
    __index = function(_, name)
        local value = look_up(name)
        -- A function stays where it is; what is no function is read anew.
        if type(value) == "cdata" and sub(tostring(typeof(value)), -3) == "()>" then rawset(C, name, value) end
        return value
    end,
})
