-- serve

local show = require "show"

local function ended(name)
    return ngx.thread.spawn(function()
        return name
    end)
end
local first, second = ended("first"), ended("second")
show(ngx.thread.wait(second, first))
show(ngx.thread.wait(second, first))
show(ngx.thread.wait(second, first))
