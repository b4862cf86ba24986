-- serve

local show = require "show"

local child
local parent = ngx.thread.spawn(function()
    child = ngx.thread.spawn(function()
        ngx.sleep(0.02)
        ngx.say("the child ends")
    end)
    ngx.thread.wait(child)
    ngx.say("never")
end)
ngx.sleep(0.005)
show(ngx.thread.kill(parent))
show(coroutine.status(parent), coroutine.status(child))
