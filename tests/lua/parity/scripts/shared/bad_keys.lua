-- serve

local show = require "show"

local dict = ngx.shared.dict
show(dict:set(nil, 1))
show(dict:set("", 1))
show(dict:get(nil))
show(dict:get(""))
local long = ("k"):rep(65536)
show(dict:set(long, 1))
show(dict:get(long))
