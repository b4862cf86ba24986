-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
dict:flush_expired()
dict:set("key", "value", 0.01, 3)
show(dict:get_stale("key"))
ngx.sleep(0.03)
show(dict:get_stale("key"))
show(dict:get_stale("missing"))
