-- resty.string: bytes as hexadecimal digits, and digits as a number. Source: lua-resty-string.

local find, format, gsub, match = string.find, string.format, string.gsub, string.match
local char, error, tonumber, type = string.char, error, tonumber, type

local HEX = {}
for byte = 0, 255 do HEX[char(byte)] = format("%02x", byte) end

local MAX_INTEGER = "9223372036854775807" -- of nginx's ngx_int_t on 64 bits

local _M = { _VERSION = "0.17" }

local function check(s, name)
    if type(s) ~= "string" then
        error("bad argument #1 to '" .. name .. "' (string expected, got " .. type(s) .. ")", 3)
    end
end

-- Return each byte of `s` as two small hexadecimal digits.
function _M.to_hex(s)
    check(s, "to_hex")
    return (gsub(s, ".", HEX))
end

-- Return the number that the decimal digits of `s` are; -1 for anything else, as for a number over 63 bits.
function _M.atoi(s)
    check(s, "atoi")
    if not find(s, "^%d+$") then return -1 end
    local digits = match(s, "^0*(.*)$")
    if #digits > #MAX_INTEGER or #digits == #MAX_INTEGER and digits > MAX_INTEGER then return -1 end
    return tonumber(s)
end

return _M
