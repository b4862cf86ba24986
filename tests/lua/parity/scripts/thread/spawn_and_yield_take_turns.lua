-- both

local yield = coroutine.yield
ngx.say("0")
yield()
ngx.say("1")
ngx.thread.spawn(function()
    ngx.say("f1")
    yield()
    ngx.say("f2")
    yield()
    ngx.say("f3")
end)
ngx.say("2")
yield()
ngx.say("3")
yield()
ngx.say("4")
