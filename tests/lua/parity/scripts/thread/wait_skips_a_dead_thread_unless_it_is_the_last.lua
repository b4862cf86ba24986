-- serve

local show = require "show"

local dead = ngx.thread.spawn(function() end)
ngx.thread.wait(dead)
local alive = ngx.thread.spawn(function()
    ngx.sleep(0.01)
    return "alive"
end)
show(ngx.thread.wait(alive, dead))
show(ngx.thread.wait(dead, alive))
