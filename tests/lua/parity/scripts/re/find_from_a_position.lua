-- serve

local show = require "show"

local ctx = { pos = 2 }
show(ngx.re.find("1234, hello", "[0-9]+", "", ctx))
show(ctx.pos)
show(ngx.re.find("1234, hello", "[0-9]+", "", ctx))
show(ctx.pos)
