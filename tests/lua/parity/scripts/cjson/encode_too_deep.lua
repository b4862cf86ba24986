-- serve

local cjson = require "cjson"
local show = require "show"

local value = {}
for _ = 1, 1001 do
    value = { value }
end
show.raised(function()
    local text = cjson.encode(value)
    return text
end)
local shallow = cjson.new()
shallow.encode_max_depth(2)
ngx.say(shallow.encode({ { 1 } }))
show.raised(function()
    local text = shallow.encode({ { { 1 } } })
    return text
end)
