-- serve

local show = require "show"

show.raised(function()
    ngx.header["X-Foo"] = {{}}
end)
show.raised(function()
    ngx.header[{}] = "x"
end)
