-- serve

local bit = require "bit"
local show = require "show"

show(bit.band(0xff, 0x0f), bit.bor(1, 8), bit.bxor(5, 1), bit.bnot(0))
show(bit.lshift(1, 31), bit.rshift(-1, 28), bit.arshift(-8, 1))
show(bit.tohex(255), bit.tohex(255, 4), bit.tohex(-1, -8))
show(bit.rol(1, 33), bit.ror(1, 1), bit.bswap(0x01020304), bit.tobit(2 ^ 32 + 5))
