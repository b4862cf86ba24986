-- serve

local cjson = require "cjson"
local show = require "show"

show.raised(function()
    local value = cjson.decode({})
    return value
end)
show.raised(function()
    local value = cjson.decode()
    return value
end)
show(cjson.decode(12))
