-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
show(pcall(dict.lpush, dict, "list", true))
show(pcall(dict.lpush, dict, "list", nil))
