-- serve
-- shows: X-Foo, body

local show = require "show"

ngx.say("body")
ngx.flush(true)
show(ngx.headers_sent)
show.raised(function()
    ngx.header["X-Foo"] = "late"
end)
