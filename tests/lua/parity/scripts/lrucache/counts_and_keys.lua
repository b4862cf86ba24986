-- serve

local lrucache = require "resty.lrucache"
local show = require "show"

local cache = lrucache.new(3)
for _, key in ipairs({ "a", "b", "c", "d" }) do
    cache:set(key, 1)
end
show(cache:count(), cache:capacity())
show(cache:get_keys())
cache:get("b")
show(cache:get_keys(2))
cache:flush_all()
show(cache:count(), cache:get("b"))
