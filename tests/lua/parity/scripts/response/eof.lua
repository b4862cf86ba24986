-- serve

local show = require "show"

ngx.say("the end")
show.text(ngx.eof())
ngx.sleep(0.001)
