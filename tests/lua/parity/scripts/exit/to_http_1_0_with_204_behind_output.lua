-- serve
-- request: GET {script} HTTP/1.0
ngx.say("said")
ngx.exit(204)
