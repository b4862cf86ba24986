-- both

local show = require "show"

show(ngx.sleep(0))
show(ngx.sleep(0.001))
show(ngx.sleep("0.001"))
