-- serve

local show = require "show"

show(pcall(function()
    local text = ngx.re.gsub("abc", ".", function(match)
        ngx.sleep(0.001)
        return match[0]:upper()
    end)
    return text
end))
