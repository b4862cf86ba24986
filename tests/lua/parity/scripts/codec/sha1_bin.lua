-- serve

local show = require "show"

show(ngx.sha1_bin("hello"))
show(ngx.sha1_bin("") == ngx.sha1_bin(nil), ngx.sha1_bin(32) == ngx.sha1_bin("32"))
