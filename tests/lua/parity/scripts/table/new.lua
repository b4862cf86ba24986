-- serve

local new = require "table.new"
local show = require "show"

local list = new(10, 5)
show(list, #list)
list[1] = "x"
show(list)
show((pcall(new, 1)))
