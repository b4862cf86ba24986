-- serve
-- request: HEAD {script} HTTP/1.1
-- shows: status, Location
ngx.say("said")
ngx.redirect("/elsewhere")
