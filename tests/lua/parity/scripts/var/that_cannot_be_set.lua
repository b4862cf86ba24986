-- serve

local show = require "show"

show.raised(function()
    ngx.var.uri = "/other"
end)
show.raised(function()
    ngx.var[{}] = "x"
end)
