-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:set("a", 1)
dict:rpush("b", 2)
show(dict:flush_all())
show(dict:get("a"), dict:get("b"), dict:llen("b"))
show(dict:get_keys())
show(dict:add("a", 3))
