-- both

local semaphore = require "ngx.semaphore"
local show = require "show"

local done, seen = semaphore.new(), nil
ngx.ctx.name = "main"
ngx.timer.at(0, function()
    seen = show.text(ngx.ctx.name)
    ngx.ctx.name = "timer"
    done:post()
end)
done:wait(1)
ngx.say(seen)
show(ngx.ctx.name)
