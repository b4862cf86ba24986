-- serve
-- shows: Content-Type, ETag
ngx.status = 304
ngx.header.etag = '"a"'
