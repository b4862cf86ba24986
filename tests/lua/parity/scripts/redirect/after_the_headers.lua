-- serve

local show = require "show"

ngx.say("said")
ngx.flush(true)
show.raised(function()
    ngx.redirect("/other")
end)
