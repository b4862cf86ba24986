-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
show(dict:incr("key", 1))
show(dict:incr("key", 1, 10))
show(dict:incr("key", 1, 10))
show(dict:incr("other", 1, 0, 0.02))
ngx.sleep(0.04)
show(dict:get("other"))
