-- serve
-- shows: Location

ngx.redirect("/first")
ngx.redirect("/second")
