-- serve
-- shows: Location, X-Foo

ngx.header["X-Foo"] = "kept"
ngx.redirect("/other")
