-- both

local show = require "show"

local threads = {}
for index, delay_s in ipairs({ 0.08, 0.001, 0.04 }) do
    threads[index] = ngx.thread.spawn(function()
        ngx.sleep(delay_s)
        show(index)
    end)
end
for _, thread in ipairs(threads) do
    ngx.thread.wait(thread)
end
