-- serve

local show = require "show"

local dict, other = ngx.shared.dict, ngx.shared.other
dict:flush_all()
other:flush_all()
dict:set("key", "of dict")
show(other:get("key"))
other:set("key", "of other")
show(dict:get("key"), other:get("key"))
show(ngx.shared.missing)
