-- serve

local show = require "show"

local thread = ngx.thread.spawn(function()
    ngx.sleep(0.002)
end)
ngx.thread.wait(thread)
show(coroutine.status(thread))
local zombie = ngx.thread.spawn(function()
    ngx.sleep(0.002)
end)
ngx.sleep(0.02)
show(coroutine.status(zombie))
