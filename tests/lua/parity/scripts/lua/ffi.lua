-- serve

local ffi = require "ffi"
local show = require "show"

local buffer = ffi.new("uint8_t[?]", 4, { 1, 2, 3, 255 })
show(ffi.string(buffer, 4), ffi.sizeof(buffer))
ffi.cdef("typedef struct { int x; double y; } parity_point_t;")
local point = ffi.new("parity_point_t", { 1, 2.5 })
show(point.x, point.y)
show(tostring(ffi.cast("uint64_t", 2 ^ 40)), 7ULL / 2 == 3ULL)
