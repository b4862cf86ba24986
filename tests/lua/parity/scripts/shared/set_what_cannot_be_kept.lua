-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
show(dict:set("key", {}))
show(dict:set("key", print))
show(dict:set("key", ngx.null))
