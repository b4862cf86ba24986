-- both

local semaphore = require "ngx.semaphore"
local show = require "show"

local filled, items = semaphore.new(), {}
local consumer = ngx.thread.spawn(function()
    for _ = 1, 3 do
        filled:wait(1)
        show("consumed", table.remove(items, 1))
    end
end)
for index = 1, 3 do
    items[#items + 1] = index
    ngx.say("produced ", index)
    filled:post()
    ngx.sleep(0.002)
end
ngx.thread.wait(consumer)
