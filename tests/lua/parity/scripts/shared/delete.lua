-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
dict:set("key", 1)
show(dict:delete("key"))
show(dict:get("key"))
show(dict:delete("key"))
