-- serve

local show = require "show"

local sock = ngx.socket.tcp()
show(sock:receive())
show(sock:receive(5))
show(sock:receiveany(5))
show(sock:send("x"))
show(sock:close())
show(sock:setkeepalive())
show(sock:getreusedtimes())
local reader, err = sock:receiveuntil("x")
show(type(reader), err)
show(reader())
show.raised(function()
    local session = sock:sslhandshake()
    return session
end)
