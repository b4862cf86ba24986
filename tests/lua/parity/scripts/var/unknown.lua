-- serve

local show = require "show"

show(ngx.var.no_such_variable)
show.raised(function()
    ngx.var.no_such_variable = 1
end)
