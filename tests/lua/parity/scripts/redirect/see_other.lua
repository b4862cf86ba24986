-- serve
-- shows: Location

ngx.redirect("/other", 303)
