-- The few C functions of nginx's own that libraries call by ffi and that mean something without nginx: ngx_hex_dump and
-- ngx_atoi (lua-resty-string). They are no symbols of this process, so ffi.C has them in Lua; all else is the real
-- one's.
-- Source: nginx, ngx_string.c.

local core = ...

local ffi = core.ffi
local cast, string_from = ffi.cast, ffi.string
local byte, find, setmetatable, tonumber = string.byte, string.find, setmetatable, tonumber

local DIGITS = "0123456789abcdef"
local MAX = 2 ^ 63 -- what a Lua number makes of nginx's largest
local Bytes, Text = ffi.typeof("uint8_t *"), ffi.typeof("const uint8_t *")

local C = {}

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

-- Return the number that decimal digits are; -1 for anything else, and for what 63 bits do not hold.
function C.ngx_atoi(line, size)
    local digits = string_from(line, size)
    local number = find(digits, "^%d+$") and tonumber(digits) or -1
    return number <= MAX and number or -1
end

-- OpenSSL's functions have to be found first, which takes a moment: when the first C function is asked for.
local real = ffi.C
local meta = { __newindex = real }

function meta.__index(_, name)
    core.native.loader.promote_libcrypto()
    meta.__index = real
    return real[name]
end

ffi.C = setmetatable(C, meta)
