-- serve

local show = require "show"

show((ngx.today():gsub("%d", "9")))
show((ngx.localtime():gsub("%d", "9")))
show((ngx.utctime():gsub("%d", "9")))
show(type(ngx.time()), type(ngx.now()), ngx.time() == math.floor(ngx.time()))
