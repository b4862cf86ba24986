-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
dict:set("key", "text")
show(dict:incr("key", 1))
show((pcall(dict.incr, dict, "key", "x")))
show((pcall(dict.incr, dict, "key")))
