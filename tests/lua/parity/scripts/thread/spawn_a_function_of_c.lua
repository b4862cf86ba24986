-- serve

local show = require "show"

show.raised(function()
    local thread = ngx.thread.spawn(tostring, 1)
    return thread
end)
