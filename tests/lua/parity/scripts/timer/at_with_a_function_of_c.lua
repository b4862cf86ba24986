-- serve

local show = require "show"

show.raised(function()
    local ok = ngx.timer.at(0, print)
    return ok
end)
