-- serve

local show = require "show"

for _, kind in ipairs({ -1, 7, "2", true }) do
    show.raised(function()
        local text = ngx.escape_uri("a b", kind)
        return text
    end)
end
show(ngx.escape_uri("a b", nil))
