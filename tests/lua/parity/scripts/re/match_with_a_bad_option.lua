-- serve

local show = require "show"

show.raised(function()
    local found = ngx.re.match("hello", "h", "H")
    return found
end)
