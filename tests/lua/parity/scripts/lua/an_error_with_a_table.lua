-- both

local show = require "show"

local ok, err = pcall(error, { code = 1 })
show(ok, err)
ok, err = pcall(error, setmetatable({}, {
    __tostring = function()
        return "as text"
    end,
}))
show(ok, tostring(err))
