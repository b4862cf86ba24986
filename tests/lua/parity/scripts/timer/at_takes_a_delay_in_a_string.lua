-- serve

local semaphore = require "ngx.semaphore"
local show = require "show"

local done = semaphore.new()
show(ngx.timer.at("0.001", function()
    done:post()
end))
show(done:wait(1))
