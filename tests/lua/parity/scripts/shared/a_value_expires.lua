-- both

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
show(dict:set("key", "value", 0.02))
show(dict:get("key"))
ngx.sleep(0.04)
show(dict:get("key"))
show(dict:add("key", "new"))
