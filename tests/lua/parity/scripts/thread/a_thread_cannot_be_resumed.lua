-- serve

local show = require "show"

local thread = ngx.thread.spawn(function()
    ngx.sleep(0.005)
end)
show(coroutine.resume(thread))
local ended = ngx.thread.spawn(function() end)
show(coroutine.resume(ended))
