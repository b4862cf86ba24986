-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
dict:flush_expired()
show(dict:get_keys())
dict:set("a", 1)
dict:set("b", 2)
dict:set("c", 3, 0.01)
local keys = dict:get_keys()
table.sort(keys)
show(keys)
show(#dict:get_keys(2))
ngx.sleep(0.03)
keys = dict:get_keys(0)
table.sort(keys)
show(keys)
