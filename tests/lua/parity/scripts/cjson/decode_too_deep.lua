-- serve

local cjson = require "cjson"
local show = require "show"

show.raised(function()
    local value = cjson.decode(("["):rep(1001) .. ("]"):rep(1001))
    return value
end)
