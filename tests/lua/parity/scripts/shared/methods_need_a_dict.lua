-- serve

local show = require "show"

local dict = ngx.shared.dict
show.raised(function()
    local value = dict.get("key")
    return value
end)
show.raised(function()
    local value = dict.get({}, "key")
    return value
end)
