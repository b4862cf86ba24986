-- both

local cjson = require "cjson"
local show = require "show"

for _, text in ipairs({ "", "{", "[1,", "nul", '"open', "[1] x", "{a: 1}", "[1,]", '"\\x"', '"\\ud800"' }) do
    show.raised(function()
        local value = cjson.decode(text)
        return value
    end)
end
