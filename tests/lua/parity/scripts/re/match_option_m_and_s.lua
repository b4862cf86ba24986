-- serve

local show = require "show"

show(ngx.re.match("a\nb", "^b"))
show(ngx.re.match("a\nb", "^b", "m"))
show(ngx.re.match("a\nb", "a.b"))
show(ngx.re.match("a\nb", "a.b", "s"))
