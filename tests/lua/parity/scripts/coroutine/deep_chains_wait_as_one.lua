-- both

local show = require "show"

local function level(depth)
    return coroutine.wrap(function()
        if depth == 0 then
            ngx.sleep(0.003)
            return "bottom"
        end
        return depth .. " " .. level(depth - 1)()
    end)
end
show(level(5)())
