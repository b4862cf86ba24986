-- core.native: what Lua reaches of Python, by family and name. A family is a module of lasa/lua/_api, which is imported
-- when a chunk first asks for it: a script that uses no HTTP shall not wait for the HTTP client to be imported.

local family = ... -- name -> name, function, name, function, ...

local select, setmetatable = select, setmetatable

local function filled(...)
    local natives = {}
    for i = 1, select("#", ...), 2 do
        local name, f = select(i, ...)
        natives[name] = f
    end
    return natives
end

return setmetatable({}, {
    __index = function(native, name)
        local natives = filled(family(name))
        native[name] = natives
        return natives
    end,
})
