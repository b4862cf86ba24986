-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
show(dict:set(1, "one"))
show(dict:get("1"), dict:get(1))
show(dict:set("a\0b", "bytes"))
show(dict:get("a\0b"), dict:get("a"))
