-- both

local semaphore = require "ngx.semaphore"
local show = require "show"

local done, count = semaphore.new(), 0
local function again()
    count = count + 1
    if count == 3 then
        done:post()
    else
        ngx.timer.at(0.001, again)
    end
end
ngx.timer.at(0, again)
show(done:wait(1), count)
