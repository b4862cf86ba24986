-- serve

local cjson = require "cjson"
local show = require "show"

show.raised(function()
    local text = cjson.encode(print)
    return text
end)
show.raised(function()
    local text = cjson.encode({ a = function() end })
    return text
end)
show.raised(function()
    local text = cjson.encode({ [true] = 1 })
    return text
end)
show.raised(function()
    local text = cjson.encode(coroutine.create(function() end))
    return text
end)
