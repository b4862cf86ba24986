-- both

local peer = require "peer"
local show = require "show"

local sock = peer.plays(10, "line\n", 10, "more\n")
local co = coroutine.create(function()
    local line = sock:receive()
    local answer = coroutine.yield(line)
    return answer, (sock:receive())
end)
show(coroutine.resume(co))
show(coroutine.status(co))
show(coroutine.resume(co, "answer"))
show(coroutine.status(co))
