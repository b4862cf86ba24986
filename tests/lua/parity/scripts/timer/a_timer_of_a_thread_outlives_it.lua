-- serve

local semaphore = require "ngx.semaphore"
local show = require "show"

local done = semaphore.new()
local thread = ngx.thread.spawn(function()
    ngx.timer.at(0.005, function()
        done:post()
    end)
end)
show(ngx.thread.wait(thread))
show(done:wait(1))
