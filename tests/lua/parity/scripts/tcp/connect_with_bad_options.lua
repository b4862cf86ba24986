-- serve

local peer = require "peer"
local show = require "show"

local function try(options)
    show.raised(function()
        local sock = ngx.socket.tcp()
        sock:connect(peer.host, peer.port("echo"), options)
    end)
end
try({ pool = true })
try({ pool = {} })
try({ pool_size = 0 })
try({ pool_size = -1 })
try({ pool_size = "x" })
try({ backlog = -1 })
try({ backlog = "x" })
try("options")
