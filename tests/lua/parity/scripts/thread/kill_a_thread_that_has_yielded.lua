-- serve

local show = require "show"

local thread = ngx.thread.spawn(function()
    coroutine.yield()
    ngx.say("never")
end)
show(ngx.thread.kill(thread))
coroutine.yield()
ngx.say("main ends")
