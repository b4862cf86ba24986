-- serve

local show = require "show"

show(ngx.md5_bin("hello"))
show(#ngx.md5_bin(""), ngx.md5_bin(nil) == ngx.md5_bin(""))
