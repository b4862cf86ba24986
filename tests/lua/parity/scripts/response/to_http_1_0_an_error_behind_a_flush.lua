-- serve
-- request: GET {script} HTTP/1.0
-- shows: status, Content-Type
ngx.say("lost")
ngx.flush(true)
ngx.sleep(0.001)
error("boom")
