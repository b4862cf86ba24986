-- serve

local show = require "show"

show(ngx.re.match("HELLO", "hello"))
show(ngx.re.match("HELLO", "hello", "i"))
