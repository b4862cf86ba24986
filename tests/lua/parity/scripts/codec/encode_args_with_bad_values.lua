-- serve

local show = require "show"

show.raised(function()
    local text = ngx.encode_args({ a = print })
    return text
end)
show.raised(function()
    local text = ngx.encode_args({ [true] = 1 })
    return text
end)
show.raised(function()
    local text = ngx.encode_args({ a = { {} } })
    return text
end)
show.raised(function()
    local text = ngx.encode_args("a=b")
    return text
end)
show.raised(function()
    local text = ngx.encode_args({ "array" })
    return text
end)
