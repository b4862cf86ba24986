-- serve
-- Other scripts may have left timers: only the differences are shown.

local show = require "show"

local pending, running = ngx.timer.pending_count(), ngx.timer.running_count()
local semaphore = require "ngx.semaphore"
local done, finish = semaphore.new(), semaphore.new()
ngx.timer.at(0.01, function()
    done:post()
    finish:wait(1)
end)
show(ngx.timer.pending_count() - pending, ngx.timer.running_count() - running)
done:wait(1)
show(ngx.timer.pending_count() - pending, ngx.timer.running_count() - running)
finish:post()
ngx.sleep(0.01)
show(ngx.timer.pending_count() - pending, ngx.timer.running_count() - running)
