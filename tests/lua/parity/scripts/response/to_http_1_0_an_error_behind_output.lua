-- serve
-- request: GET {script} HTTP/1.0
-- shows: status, Content-Type
ngx.say("lost")
error("boom")
