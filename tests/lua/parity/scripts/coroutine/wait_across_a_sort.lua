-- both
-- A comparison cannot wait: the sort is a function of C.

local show = require "show"

show(pcall(function()
    table.sort({ 3, 1, 2 }, function(a, b)
        ngx.sleep(0.001)
        return a < b
    end)
end))
ngx.say("still here")
