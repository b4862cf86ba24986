-- serve
-- request: GET {script} HTTP/1.1
-- shows: status, Location
ngx.redirect("/elsewhere", 307.5)
