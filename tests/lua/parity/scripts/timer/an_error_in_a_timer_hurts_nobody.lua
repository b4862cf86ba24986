-- both

local semaphore = require "ngx.semaphore"
local show = require "show"

local done = semaphore.new()
ngx.timer.at(0, function()
    done:post()
    error("oops")
end)
show(done:wait(1))
ngx.sleep(0.002)
ngx.say("still here")
