-- both

local semaphore = require "ngx.semaphore"
local show = require "show"

local sema = semaphore.new()
for index = 1, 3 do
    ngx.thread.spawn(function()
        show(index, sema:wait(1))
    end)
end
show(sema:count())
show(sema:post(2))
ngx.say("posted")
show(sema:count())
ngx.sleep(0.002)
show(sema:count())
show(sema:post())
