-- serve
-- It ticks until the server ends.

local semaphore = require "ngx.semaphore"
local show = require "show"

local ticks, count = semaphore.new(), 0
show(ngx.timer.every(0.02, function(premature, name)
    count = count + 1
    if count <= 2 then
        show.last = show.text(premature, name)
        ticks:post()
    end
end, "tick"))
for _ = 1, 2 do
    show(ticks:wait(1))
    ngx.say(show.last)
end
