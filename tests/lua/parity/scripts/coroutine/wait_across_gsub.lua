-- serve

local show = require "show"

show(pcall(function()
    local text = ("abc"):gsub(".", function(char)
        ngx.sleep(0.001)
        return char:upper()
    end)
    return text
end))
ngx.say("still here")
