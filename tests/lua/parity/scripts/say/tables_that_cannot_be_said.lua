-- both

local show = require "show"

show.raised(function()
    local ok, err = ngx.say({ a = 1 })
    return ok, err
end)
show.raised(function()
    local ok, err = ngx.say({ print })
    return ok, err
end)
show.raised(function()
    local ok, err = ngx.say({ [3] = "x" })
    return ok, err
end)
