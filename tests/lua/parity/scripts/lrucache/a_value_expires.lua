-- serve

local lrucache = require "resty.lrucache"
local show = require "show"

local cache = lrucache.new(2)
cache:set("a", 1, 0.02)
show(cache:get("a"))
ngx.sleep(0.05)
show(cache:get("a"))
