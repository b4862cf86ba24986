-- serve

local show = require "show"

show.raised(function()
    local ok = coroutine.resume(1)
    return ok
end)
show.raised(function()
    local status = coroutine.status("x")
    return status
end)
