-- serve
-- request: HEAD {script} HTTP/1.1
-- shows: Content-Type
ngx.say("said")
ngx.exit(444)
