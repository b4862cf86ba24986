-- serve

local show = require "show"

local co = coroutine.create(function()
    ngx.say("1")
    ngx.sleep(0.005)
    ngx.say("2")
    coroutine.yield("yielded")
    ngx.sleep(0.005)
    ngx.say("3")
    return "returned"
end)
show(coroutine.resume(co))
ngx.say("between")
show(coroutine.resume(co))
