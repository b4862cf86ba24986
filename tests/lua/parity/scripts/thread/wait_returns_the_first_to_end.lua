-- both

local show = require "show"

local function sleeper(name, delay_s)
    return ngx.thread.spawn(function()
        ngx.sleep(delay_s)
        return name
    end)
end
local slow, fast = sleeper("slow", 0.08), sleeper("fast", 0.01)
show(ngx.thread.wait(slow, fast))
show(coroutine.status(slow), coroutine.status(fast))
show(ngx.thread.wait(slow))
