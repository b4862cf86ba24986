-- serve

local cjson = require "cjson"
local show = require "show"

show.raised(function()
    local value = cjson.decode('{"a" 1}')
    return value
end)
