-- serve

local show = require "show"

show(pcall(ngx.hmac_sha1, "key"))
show((pcall(ngx.hmac_sha1, "key", nil)))
show((pcall(ngx.hmac_sha1, {}, "data")))
