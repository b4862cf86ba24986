-- serve

local isarray = require "table.isarray"
local show = require "show"

show(isarray({}), isarray({ 1, 2 }), isarray({ a = 1 }), isarray({ 1, a = 1 }))
show(isarray({ [1.5] = 1 }), isarray({ [3] = 1 }), isarray({ [0] = 1 }))
