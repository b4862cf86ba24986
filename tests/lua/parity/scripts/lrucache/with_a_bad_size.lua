-- serve

local lrucache = require "resty.lrucache"
local show = require "show"

show.raised(function()
    local cache, err = lrucache.new(0)
    return cache, err
end)
