-- serve
-- shows: Content-Type, body

ngx.header.content_type = "application/json"
ngx.say("{}")
