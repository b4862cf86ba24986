-- resty.random: bytes that nobody can guess. Source: lua-resty-string.

local core = ...

local random = core.native.crypto.random
local error, floor, huge, tonumber, type = error, math.floor, math.huge, tonumber, type

local _M = { _VERSION = "0.17" }

-- Return `size` random bytes. All are strong ones, whatever `strong` says: the kernel gives them without waiting.
function _M.bytes(size, strong)
    local n = tonumber(size)
    if not n then error("bad argument #1 to 'bytes' (number expected, got " .. type(size) .. ")", 2) end
    if not (n >= 0 and n < huge) then error("bad argument #1 to 'bytes' (size out of range)", 2) end
    return random(floor(n))
end

core.modules["resty.random"] = _M
