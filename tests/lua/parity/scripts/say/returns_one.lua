-- both

local show = require "show"

show(ngx.say("x"))
show(ngx.print("y\n"))
show(ngx.flush())
show(ngx.flush(true))
