-- serve

local show = require "show"

show(ngx.re.match("abc\n", "c$"))
show(ngx.re.match("abc\n", "c\\z"))
show(ngx.re.match("abc\n", "c$", "D"))
