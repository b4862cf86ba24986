-- serve

local cjson = require "cjson"
local show = require "show"

local value = {}
value.self = value
show.raised(function()
    local text = cjson.encode(value)
    return text
end)
