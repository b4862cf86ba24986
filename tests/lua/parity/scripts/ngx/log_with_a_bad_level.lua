-- serve

local show = require "show"

show.raised(function()
    ngx.log(100, "x")
end)
show.raised(function()
    ngx.log(-1, "x")
end)
show.raised(function()
    ngx.log("x", "y")
end)
show.raised(function()
    ngx.log()
end)
