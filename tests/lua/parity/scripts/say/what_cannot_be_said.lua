-- both

local show = require "show"

show.raised(function()
    local ok, err = ngx.say(print)
    return ok, err
end)
show.raised(function()
    local ok, err = ngx.say(coroutine.create(function() end))
    return ok, err
end)
