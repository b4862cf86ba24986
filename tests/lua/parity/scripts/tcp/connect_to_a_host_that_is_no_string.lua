-- serve

local show = require "show"

for _, host in ipairs({ {}, true, print }) do
    show.raised(function()
        local sock = ngx.socket.tcp()
        sock:connect(host, 80)
    end)
end
