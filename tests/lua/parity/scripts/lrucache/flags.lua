-- serve

local lrucache = require "resty.lrucache"
local show = require "show"

local cache = lrucache.new(2)
cache:set("a", 1, nil, 5)
show(cache:get("a"))
cache:set("b", 2)
show(cache:get("b"))
