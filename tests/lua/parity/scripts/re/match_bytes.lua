-- serve

local show = require "show"

show(ngx.re.match("a\0b\255", "\\0b\\xff"))
show(ngx.re.match("a\0b", "^a.b$"))
