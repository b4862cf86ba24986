-- serve

local show = require "show"

local iterator = ngx.re.gmatch("hello", "x")
show(iterator())
show(iterator())
