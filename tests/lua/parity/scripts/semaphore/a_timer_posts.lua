-- both

local semaphore = require "ngx.semaphore"
local show = require "show"

local sema = semaphore.new()
ngx.timer.at(0.005, function()
    sema:post()
end)
show(sema:wait(1))
