-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
dict:set("key", 1)
show(dict:set("key", nil))
show(dict:get("key"))
