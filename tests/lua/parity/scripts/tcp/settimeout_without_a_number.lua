-- serve

local show = require "show"

local sock = ngx.socket.tcp()
show.raised(function()
    sock:settimeout()
end)
show.raised(function()
    sock:settimeout(nil)
end)
show.raised(function()
    sock:settimeouts(1, 2)
end)
