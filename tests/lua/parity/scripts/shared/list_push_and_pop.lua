-- serve

local show = require "show"

local dict = ngx.shared.dict
dict:flush_all()
show(dict:lpush("list", "b"))
show(dict:lpush("list", "a"))
show(dict:rpush("list", 3))
show(dict:llen("list"))
show(dict:lpop("list"))
show(dict:rpop("list"))
show(dict:lpop("list"))
show(dict:lpop("list"))
show(dict:llen("list"))
