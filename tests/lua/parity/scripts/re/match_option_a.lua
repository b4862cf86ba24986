-- serve

local show = require "show"

show(ngx.re.match("1234", "[0-9]", "a"))
show(ngx.re.match("x1234", "[0-9]", "a"))
show(ngx.re.match("x1234", "[0-9]", "a", { pos = 2 }))
