-- serve

local show = require "show"
local str = require "resty.string"

show(str.to_hex("\0\1\171\255"))
show(str.to_hex(ngx.sha1_bin("hello")))
show(str.to_hex(""))
show(str.atoi("0042"), str.atoi("7"), str.atoi("x"))
