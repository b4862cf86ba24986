-- serve

local show = require "show"

show(pcall(function()
    ngx.say("inside")
    ngx.exit(200)
end))
ngx.say("never")
