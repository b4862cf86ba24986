-- serve

local show = require "show"

local ctx = { pos = 3 }
show(ngx.re.match("1234, hello", "([0-9]+)", "", ctx))
show(ctx.pos)
ctx = {}
show(ngx.re.match("1234, hello", "([0-9]+)", "", ctx), ctx.pos)
