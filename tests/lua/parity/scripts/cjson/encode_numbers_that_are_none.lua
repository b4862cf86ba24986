-- serve

local cjson = require "cjson"
local show = require "show"

show.raised(function()
    local text = cjson.encode(0 / 0)
    return text
end)
show.raised(function()
    local text = cjson.encode(1 / 0)
    return text
end)
