-- serve

local semaphore = require "ngx.semaphore"

local sema = semaphore.new()
ngx.thread.spawn(function()
    ngx.say("waits")
    sema:wait(1)
    ngx.say("goes on")
end)
sema:post()
ngx.say("main after post")
ngx.sleep(0.001)
ngx.say("main ends")
