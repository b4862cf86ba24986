-- serve

local show = require "show"

show(tostring(1), tostring(1.0), tostring(1e15), tostring(1e16), tostring(0.1), tostring(-0.0))
show(tostring(1 / 3), tostring(2 ^ 53), tostring(1 / 0), tostring(1e100))
show(1 .. "", 1.5 .. "", 2 ^ 63 .. "")
show(tonumber("0x10"), tonumber("1e3"), tonumber(" 5 "), tonumber("5x"), tonumber("10", 2))
