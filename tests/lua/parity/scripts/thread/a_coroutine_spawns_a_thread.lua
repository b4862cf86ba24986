-- serve

local show = require "show"

local co = coroutine.create(function()
    local thread = ngx.thread.spawn(function()
        ngx.sleep(0.005)
        return "from the thread"
    end)
    show(ngx.thread.wait(thread))
    return "from the coroutine"
end)
show(coroutine.resume(co))
