-- serve

local show = require "show"

for _, value in ipairs({ 1, "x", {}, print }) do
    show.raised(function()
        local co = coroutine.create(value)
        return co
    end)
end
show.raised(function()
    local f = coroutine.wrap(1)
    return f
end)
