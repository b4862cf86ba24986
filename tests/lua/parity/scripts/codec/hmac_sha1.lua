-- serve

local show = require "show"

show(ngx.hmac_sha1("key", "data"))
show(ngx.hmac_sha1("", ""))
show(ngx.hmac_sha1(("k"):rep(100), "data"))
