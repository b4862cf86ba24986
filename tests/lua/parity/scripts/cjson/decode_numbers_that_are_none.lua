-- serve

local cjson = require "cjson"
local show = require "show"

local numbers = cjson.decode("[Infinity, -Infinity, NaN]")
show(numbers[1], numbers[2], numbers[3] ~= numbers[3])
local strict = cjson.new()
show(strict.decode_invalid_numbers(false))
show.raised(function()
    local value = strict.decode("[NaN]")
    return value
end)
