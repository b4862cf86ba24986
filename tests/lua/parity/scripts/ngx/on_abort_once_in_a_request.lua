-- serve

local show = require "show"

show(ngx.on_abort(function() end))
show(ngx.on_abort(function() end))
show.raised(function()
    local ok, err = ngx.on_abort("x")
    return ok, err
end)
