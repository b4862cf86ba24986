-- both

local semaphore = require "ngx.semaphore"
local show = require "show"

local done, order = semaphore.new(), {}
for index = 1, 4 do
    ngx.timer.at(0.005, function()
        order[#order + 1] = index
        done:post()
    end)
end
for _ = 1, 4 do
    done:wait(1)
end
show(order)
