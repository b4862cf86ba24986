-- serve

local show = require "show"

local cjson = require("cjson").new()
show.raised(function()
    local number = cjson.encode_number_precision(50)
    return number
end)
