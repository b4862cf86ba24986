-- both

local show = require "show"

local object = setmetatable({}, {
    __index = function(_, key)
        ngx.sleep(0.001)
        return "value of " .. key
    end,
    __add = function(_, number)
        ngx.sleep(0.001)
        return number + 1
    end,
    __call = function(_, text)
        ngx.sleep(0.001)
        return "called with " .. text
    end,
})
show(object.name, object + 1, object("this"))
local function each()
    local count = 0
    return function()
        ngx.sleep(0.001)
        count = count + 1
        return count < 3 and count or nil
    end
end
for number in each() do
    show(number)
end
