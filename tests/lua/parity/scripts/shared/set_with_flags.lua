-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
show(dict:set("key", "value", 0, 17))
show(dict:get("key"))
show(dict:set("key", "value", 0, 0))
show(dict:get("key"))
