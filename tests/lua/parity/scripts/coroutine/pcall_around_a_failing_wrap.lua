-- serve
-- The error ends the coroutine that called, and pcall does not see it.
-- shows: status

local show = require "show"

local fails = coroutine.wrap(function()
    error("oops")
end)
show(pcall(fails))
