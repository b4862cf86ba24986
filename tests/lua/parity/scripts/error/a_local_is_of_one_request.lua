-- serve

local show = require "show"

local count = 0
count = count + 1
show(count)
