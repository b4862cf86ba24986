-- serve

local show = require "show"

show(ngx.re.match(1234, "[0-9]"))
show((pcall(ngx.re.match)))
show((pcall(ngx.re.match, "a")))
