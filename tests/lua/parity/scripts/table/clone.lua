-- serve

local clone = require "table.clone"
local show = require "show"

local inner = {}
local value = { 1, inner, a = "b" }
local copy = clone(value)
show(copy, copy ~= value, copy[2] == inner)
local with_meta = setmetatable({ 1 }, { __index = { x = 1 } })
show(getmetatable(clone(with_meta)))
