-- serve

local show = require "show"

ngx.status = 201
show(ngx.var.status)
