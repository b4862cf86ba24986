-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
show(dict:set("string", "text"))
show(dict:set("number", 3.5))
show(dict:set("true", true))
show(dict:set("false", false))
show(dict:get("string"))
show(dict:get("number"))
show(dict:get("true"))
show(dict:get("false"))
show(dict:get("missing"))
