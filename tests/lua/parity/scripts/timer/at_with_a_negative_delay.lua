-- serve

local semaphore = require "ngx.semaphore"
local show = require "show"

local done = semaphore.new()
show(pcall(ngx.timer.at, -1, function()
    done:post()
end))
show((done:wait(0.1)))
