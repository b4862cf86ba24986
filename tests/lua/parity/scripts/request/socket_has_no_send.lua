-- serve
-- request: POST {script} HTTP/1.1
-- body: body

local show = require "show"

local sock = ngx.req.socket()
show(sock.send, sock.connect, sock.close, type(sock.receive), type(sock.settimeout))
