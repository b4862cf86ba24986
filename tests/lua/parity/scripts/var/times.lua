-- serve

local show = require "show"

show((ngx.var.time_iso8601:gsub("%d", "9"):gsub("[+-]99:99$", "+99:99")))
show((ngx.var.msec:gsub("%d", "9"):gsub("9+", "9", 1)))
show(type(ngx.var.request_time), type(ngx.var.pid), type(ngx.var.connection))
show(ngx.var.status, ngx.var.request_length)
