-- serve
-- shows: Location

return ngx.redirect("/other")
