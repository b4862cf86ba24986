-- both

local peer = require "peer"
local show = require "show"

local port = peer.port("echo")
local sock = ngx.socket.tcp()
show(sock:connect("127.0.0.1:" .. port, 53))
show(sock:send("hello\n"))
show(sock:receive())
sock:close()
show(sock:connect("127.0.0.1:000" .. port, 53))
sock:close()
for _, host in ipairs {
    "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:x", "127.0.0.1:-1", "127.0.0.1: 80", "127.0.0.1:80:90",
    ":80", ":", "[::1]:", "[::1]:0", "[::1]:x", "[::1]80", "[::1", "[]:80", "[]", "[1.2.3.4]:80", "a.test/:80", "a.test?:80",
    "a.test:80/x", "127.0.0.1:99999999999999999999999999",
} do
    show(host, sock:connect(host, 53))
end
show(sock:connect("127.0.0.1:" .. port))
show(sock:connect("127.0.0.1:" .. port, 65536))
