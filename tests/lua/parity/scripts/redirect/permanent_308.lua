-- serve
-- shows: Location

ngx.redirect("/other", 308)
