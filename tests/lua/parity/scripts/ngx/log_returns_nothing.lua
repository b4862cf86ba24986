-- both

local show = require "show"

show(ngx.log(ngx.INFO, "text ", 1, nil, true, ngx.null))
show(print("to the log"))
show(ngx.log(ngx.NOTICE))
