-- both

local show = require "show"

local thread = ngx.thread.spawn(function()
    ngx.sleep(10)
    ngx.say("never")
end)
show(coroutine.status(thread))
show(ngx.thread.kill(thread))
show(coroutine.status(thread))
show(ngx.thread.kill(thread))
show(ngx.thread.wait(thread))
