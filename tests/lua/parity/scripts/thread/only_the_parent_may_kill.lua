-- serve

local show = require "show"

local victim = ngx.thread.spawn(function()
    ngx.sleep(0.02)
    ngx.say("alive")
end)
ngx.thread.spawn(function()
    show(ngx.thread.kill(victim))
end)
show(ngx.thread.wait(victim))
