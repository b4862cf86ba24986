-- serve

local show = require "show"

show(ngx.no_such_name, ngx.socket.no_such_name, ngx.re.no_such_name)
