-- both

local show = require "show"

local parent = ngx.thread.spawn(function()
    ngx.thread.spawn(function()
        ngx.sleep(0.01)
        ngx.say("the child ends")
    end)
    ngx.sleep(10)
end)
ngx.sleep(0.001)
show(ngx.thread.kill(parent))
ngx.say("main ends")
