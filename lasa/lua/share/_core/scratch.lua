-- Room for bytes that are about to become a Lua string: core.scratch(size) returns a buffer that the next call of it
-- may use again. Whoever fills it must be done before anybody else runs, so it never waits meanwhile.

local core = ...

local ffi = require "ffi"

local KEPT = 65536 -- larger ones are left to the garbage collector, so that one large string costs nothing afterwards

local bytes = ffi.typeof("uint8_t[?]")
local kept = bytes(KEPT)

function core.scratch(size)
    if size <= KEPT then return kept end
    return bytes(size)
end
