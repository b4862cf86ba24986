-- both

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
dict:set("key", 1)
show(dict:incr("key", 5))
show(dict:incr("key", -2.5))
show(dict:get("key"))
