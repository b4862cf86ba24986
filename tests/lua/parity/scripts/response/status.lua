-- serve

local show = require "show"

ngx.status = 201
show(ngx.status)
ngx.say("created")
