-- serve

local show = require "show"

show.raised(function()
    local args = ngx.decode_args({})
    return args
end)
show.raised(function()
    local args = ngx.decode_args()
    return args
end)
