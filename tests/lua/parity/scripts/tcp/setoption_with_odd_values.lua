-- both

local peer = require "peer"
local show = require "show"

local sock = peer.connect("echo")
for _, value in ipairs { 0 / 0, 1 / 0, -1 / 0, 0.5, 1.9, -0.5, 2 ^ 31, 2 ^ 53, 1e300, true, false, 1LL, 0ULL } do
    show(value, sock:setoption("keepalive", value))
    show(sock:getoption("keepalive"))
end
for _, name in ipairs { true, false, 1, 1.5, "", ngx.null } do
    show(sock:setoption(name, 1))
    show(sock:getoption(name))
end
for _, value in ipairs { "1", "x", {}, ngx.null, print } do
    local ok, err = pcall(function() return (sock:setoption("keepalive", value)) end)
    show(ok, err:match("cannot convert '[%w%s*]+' to 'int'"))
end
