-- serve
-- request: GET {script} HTTP/1.0
-- shows: Location, body
ngx.say("said")
ngx.redirect("/elsewhere")
