-- serve
-- request: POST {script} HTTP/1.1
-- body: 0123456789

ngx.say("not read")
