-- serve

local show = require "show"

show.raised(function()
    local ok = ngx.timer.at()
    return ok
end)
show.raised(function()
    local ok = ngx.timer.at(1)
    return ok
end)
show.raised(function()
    local ok = ngx.timer.at("x", print)
    return ok
end)
show.raised(function()
    local ok = ngx.timer.at(0, "x")
    return ok
end)
show.raised(function()
    local ok = ngx.timer.at({}, function() end)
    return ok
end)
