-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo")
local function try(data)
    show.raised(function()
        local bytes = sock:send(data)
        return bytes
    end)
end
try({ "a", true })
try({ "a", print })
try({ a = 1 })
try({ "a", { b = 2 } })
try({ "a", nil, "c" })
try({ [3] = "c" })
show(sock:send("fine\n"))
show(sock:receive())
