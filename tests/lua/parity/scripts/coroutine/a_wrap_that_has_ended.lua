-- serve

local show = require "show"

local ends = coroutine.wrap(function()
    return "end"
end)
show(ends())
show(pcall(ends))
