-- serve

local show = require "show"

local ok, trace = xpcall(function()
    error("oops")
end, debug.traceback)
show(ok, trace:match("^[^\n]+"))
