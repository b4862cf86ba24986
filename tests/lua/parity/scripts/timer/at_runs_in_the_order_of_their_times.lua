-- serve

local semaphore = require "ngx.semaphore"
local show = require "show"

local done, order = semaphore.new(), {}
for _, delay_ms in ipairs({ 60, 0, 30 }) do
    ngx.timer.at(delay_ms / 1000, function()
        order[#order + 1] = delay_ms
        done:post()
    end)
end
for _ = 1, 3 do
    done:wait(1)
end
show(order)
