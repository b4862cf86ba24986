-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo")
for _, data in ipairs({ print, ngx.null, coroutine.create(function() end) }) do
    show.raised(function()
        local bytes = sock:send(data)
        return bytes
    end)
end
