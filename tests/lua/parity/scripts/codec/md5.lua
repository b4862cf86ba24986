-- serve

local show = require "show"

show(ngx.md5("hello"))
show(ngx.md5(""))
show(ngx.md5(nil), ngx.md5(32), ngx.md5(true))
show(ngx.md5("\0\1"))
