-- both

local peer = require "peer"
local semaphore = require "ngx.semaphore"
local show = require "show"

local done, got = semaphore.new(), nil
ngx.timer.at(0, function()
    local sock = peer.plays(3, "in the timer\n")
    got = sock:receive()
    done:post()
end)
done:wait(1)
show(got)
