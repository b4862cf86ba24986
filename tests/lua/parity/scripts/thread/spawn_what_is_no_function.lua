-- serve

local show = require "show"

for _, value in ipairs({ 1, "x", {}, true }) do
    show.raised(function()
        local thread = ngx.thread.spawn(value)
        return thread
    end)
end
show.raised(function()
    local thread = ngx.thread.spawn()
    return thread
end)
