-- both

local show = require "show"

show.raised(function()
    ngx.sleep(-1)
end)
show.raised(function()
    ngx.sleep("x")
end)
show.raised(function()
    ngx.sleep()
end)
show.raised(function()
    ngx.sleep({})
end)
