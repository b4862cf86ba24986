-- serve
-- request: GET {script}?status=307 HTTP/1.1
-- shows: Location

ngx.redirect("/other?a=1", tonumber(ngx.var.arg_status))
