-- serve

local show = require "show"

show(type(ngx.config.subsystem), type(ngx.config.nginx_version), type(ngx.config.ngx_lua_version))
show(ngx.config.subsystem)
show(type(ngx.config.prefix()), type(ngx.config.nginx_configure()))
