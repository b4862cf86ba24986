-- serve

local show = require "show"

show(ngx.ctx.seen)
ngx.ctx.seen = true
