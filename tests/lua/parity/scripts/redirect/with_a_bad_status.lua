-- serve

local show = require "show"

show.raised(function()
    ngx.redirect("/other", 404)
end)
show.raised(function()
    ngx.redirect("/other", 200)
end)
