-- serve

local cjson = require "cjson"
local show = require "show"

show(cjson.decode("[0, -1, 1e3, 1.5e-3, 123456789012345678, 0.1]"))
show(cjson.decode("[0x10]"), cjson.decode("[01]"))
