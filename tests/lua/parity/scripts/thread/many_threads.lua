-- both

local show = require "show"

local threads = {}
for index = 1, 100 do
    threads[index] = ngx.thread.spawn(function()
        ngx.sleep(0.001 * (index % 3))
        return index
    end)
end
local sum = 0
for _, thread in ipairs(threads) do
    local ok, number = ngx.thread.wait(thread)
    assert(ok)
    sum = sum + number
end
show(sum)
