-- serve

local lrucache = require "resty.lrucache.pureffi"
local show = require "show"

local cache = lrucache.new(2)
cache:set("a", 1)
cache:set("b", 2)
cache:set("c", 3)
show(cache:get("a"), cache:get("b"), cache:get("c"))
