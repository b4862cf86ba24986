-- serve

local show = require "show"

show.raised(function()
    local ok = ngx.timer.every(0, function() end)
    return ok
end)
show.raised(function()
    local ok = ngx.timer.every(0.0001, function() end)
    return ok
end)
show.raised(function()
    local ok = ngx.timer.every(1)
    return ok
end)
