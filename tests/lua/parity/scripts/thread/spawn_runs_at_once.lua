-- both

local show = require "show"

ngx.say("before")
local thread = ngx.thread.spawn(function(...)
    show("inside", ...)
end, 1, nil, "three", nil)
ngx.say("after")
show(type(thread), ngx.thread.wait(thread))
