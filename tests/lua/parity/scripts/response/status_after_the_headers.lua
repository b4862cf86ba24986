-- serve

local show = require "show"

ngx.say("body")
ngx.flush(true)
show.raised(function()
    ngx.status = 404
end)
show(ngx.status)
