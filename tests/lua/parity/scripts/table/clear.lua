-- serve

local clear = require "table.clear"
local show = require "show"

local value = { 1, 2, a = 3 }
show(clear(value))
show(value, next(value))
