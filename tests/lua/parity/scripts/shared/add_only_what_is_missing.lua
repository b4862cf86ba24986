-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
show(dict:add("key", 1))
show(dict:add("key", 2))
show(dict:get("key"))
dict:delete("key")
show(dict:add("key", 3))
