-- serve
-- request: POST {script} HTTP/1.1
-- body: line one\r\nline two;rest

local show = require "show"

local sock, err = ngx.req.socket()
show(type(sock), err)
show(sock:receive())
show(sock:receiveuntil(";")())
show(sock:receive(4))
show(sock:receive(1))
