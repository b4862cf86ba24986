-- serve
-- Runs a request of its own, and asks what it got there.

local show = require "show"

local sock = ngx.socket.tcp()
assert(sock:connect("127.0.0.1", ngx.var.server_port))
sock:send("GET /response/say_after_eof.lua HTTP/1.0\r\n\r\n")
sock:receive("*a")
show(ngx.shared.dict:get("say_after_eof"))
