-- serve

local show = require "show"

show(ngx.var.remote_addr, ngx.var.server_addr, tonumber(ngx.var.remote_port) ~= nil)
show(tonumber(ngx.var.server_port) ~= nil, #ngx.var.binary_remote_addr, ngx.var.remote_user)
