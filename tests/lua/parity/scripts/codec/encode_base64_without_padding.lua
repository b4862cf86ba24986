-- serve

local show = require "show"

show(ngx.encode_base64("a", true), ngx.encode_base64("ab", true), ngx.encode_base64("abc", true))
show(ngx.encode_base64("a", false))
show.raised(function()
    local text = ngx.encode_base64("a", 1)
    return text
end)
