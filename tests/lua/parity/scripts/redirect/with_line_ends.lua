-- serve
-- shows: Location, body

local show = require "show"

show.raised(function()
    ngx.redirect("/other\r\nX-Foo: bar")
end)
