-- serve

local show = require "show"

local thread = ngx.thread.spawn(function()
    show("yielded", coroutine.yield("to nobody"))
    return "end"
end)
show("main", coroutine.yield("to nobody"))
show(ngx.thread.wait(thread))
