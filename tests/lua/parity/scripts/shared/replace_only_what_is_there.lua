-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
show(dict:replace("key", 1))
show(dict:set("key", 1))
show(dict:replace("key", 2))
show(dict:get("key"))
