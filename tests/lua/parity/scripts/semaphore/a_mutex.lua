-- serve

local semaphore = require "ngx.semaphore"

local mutex = semaphore.new(1)
local threads = {}
for index = 1, 3 do
    threads[index] = ngx.thread.spawn(function()
        assert(mutex:wait(1))
        ngx.say(index, " in")
        ngx.sleep(0.002)
        ngx.say(index, " out")
        mutex:post()
    end)
end
for _, thread in ipairs(threads) do
    ngx.thread.wait(thread)
end
