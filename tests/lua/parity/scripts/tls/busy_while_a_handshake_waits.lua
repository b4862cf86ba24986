-- serve

local peer = require "peer"
local show = require "show"

local sock = peer.connect("silent")
sock:settimeout(30)
local thread = ngx.thread.spawn(function()
    return sock:sslhandshake()
end)
show(sock:send("x"))
show(sock:receive())
show(sock:close())
show(ngx.thread.wait(thread))
