-- serve

local peer = require "peer"
local show = require "show"

local function kept(sock, ...)
    local function keep(...)
        local ok, err = sock:setkeepalive(...)
        return ok, err
    end
    show.raised(keep, ...)
end

local closed = ngx.socket.tcp()
kept(closed, {})
kept(closed, 10, 0)
kept(closed, 10, 10, 10)

local unread = peer.plays("abc\nrest", peer.wait_for(1))
unread:receive()
kept(unread)
kept(unread, {})
kept(unread, 10, 0)

local ended = peer.plays("abc\nrest")
ngx.sleep(0.05)
ended:receive()
kept(ended)
kept(ended, "x")
show(ended:receive(4))

local untouched = peer.plays("abc\nrest")
ngx.sleep(0.05)
kept(untouched, "x")
kept(untouched, 10, 0)
kept(untouched)

for _, arguments in ipairs { { "x" }, { 10, "x" }, { 10, 0 }, { 10, 0.5 }, { 10, 0 / 0 }, { 10, -1 } } do
    local sock = peer.connect("echo", { pool = "setkeepalive_looks " .. tostring(arguments[2]) })
    kept(sock, unpack(arguments))
    sock:close()
end
kept(peer.connect("echo", { pool = "setkeepalive_looks" }), 0 / 0, "5")
