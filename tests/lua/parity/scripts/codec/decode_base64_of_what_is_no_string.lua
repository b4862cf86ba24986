-- serve

local show = require "show"

for _, value in ipairs({ 1, true, {} }) do
    show.raised(function()
        local data = ngx.decode_base64(value)
        return data
    end)
end
show.raised(function()
    local data = ngx.decode_base64(nil)
    return data
end)
