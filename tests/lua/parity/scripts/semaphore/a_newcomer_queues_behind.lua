-- both

local semaphore = require "ngx.semaphore"
local show = require "show"

local sema = semaphore.new()
ngx.thread.spawn(function()
    show("first", sema:wait(1))
end)
sema:post()
show("newcomer", sema:wait(0))
ngx.sleep(0.002)
show(sema:count())
