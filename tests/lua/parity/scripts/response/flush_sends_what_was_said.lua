-- serve

local show = require "show"

local sock = ngx.socket.tcp()
if ngx.var.arg_part then
    ngx.say("first")
    ngx.flush(true)
    ngx.sleep(0.15)
    ngx.say("second")
    return
end
assert(sock:connect("127.0.0.1", ngx.var.server_port))
sock:send("GET " .. ngx.var.uri .. "?part=1 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
local to_body = sock:receiveuntil("\r\n\r\n")
to_body()
sock:settimeout(50)
show(sock:receive("*a"))
sock:settimeout(2000)
show(sock:receive("*a"))
