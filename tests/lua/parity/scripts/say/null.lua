-- both

local show = require "show"

ngx.say(ngx.null)
ngx.say("a", ngx.null, "b")
ngx.say({ ngx.null })
show(tostring(ngx.null), type(ngx.null), ngx.null == ngx.null, ngx.null == nil)
