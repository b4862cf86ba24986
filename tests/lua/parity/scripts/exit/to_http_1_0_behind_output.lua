-- serve
-- request: GET {script} HTTP/1.0
-- shows: body
ngx.say("said")
ngx.exit(404)
