-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
dict:set("key", 1)
show((pcall(dict.expire, dict, "key", -1)))
show((pcall(dict.expire, dict, "key")))
show((pcall(dict.set, dict, "key", 1, -1)))
