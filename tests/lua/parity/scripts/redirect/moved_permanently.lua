-- serve
-- shows: Location

ngx.redirect("http://b.test/x?y=z", ngx.HTTP_MOVED_PERMANENTLY)
