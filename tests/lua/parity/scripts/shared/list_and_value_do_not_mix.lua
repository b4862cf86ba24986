-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
dict:set("key", "value")
show(dict:lpush("key", 1))
show(dict:lpop("key"))
show(dict:llen("key"))
dict:rpush("list", 1)
show(dict:get("list"))
show(dict:incr("list", 1))
show(dict:set("list", "now a value"))
show(dict:get("list"))
