-- serve

local show = require "show"

local sock = ngx.socket.tcp()
for _, timeout in ipairs({ -1, 2 ^ 31, 2 ^ 40 }) do
    show.raised(function()
        sock:settimeout(timeout)
    end)
end
show.raised(function()
    sock:settimeout(2 ^ 31 - 1)
end)
