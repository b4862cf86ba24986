-- serve

local semaphore = require "ngx.semaphore"
local show = require "show"

local sema = semaphore.new()
local thread = ngx.thread.spawn(function()
    sema:wait(10)
end)
show(sema:count())
show(ngx.thread.kill(thread))
show(sema:count())
sema:post()
show(sema:wait(0))
