-- both

local lrucache = require "resty.lrucache"
local show = require "show"

local cache = lrucache.new(2)
show(cache:set("a", 1))
cache:set("b", { 2 })
show(cache:get("a"))
show(cache:get("b"))
show(cache:get("missing"))
cache:set("c", 3)
show(cache:get("a"), cache:get("c"))
cache:delete("c")
show(cache:get("c"))
