-- serve

local show = require "show"

show.raised(function()
    ngx.log(ngx.ERR, {})
end)
show.raised(function()
    ngx.log(ngx.ERR, setmetatable({}, {
        __tostring = function()
            return "as text"
        end,
    }))
end)
