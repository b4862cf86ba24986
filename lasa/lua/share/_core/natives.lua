-- core.native: what Lua reaches of Python, by family and name. A family is a module of lasa/lua/_api, which is imported
-- when a chunk first asks for it: a script that uses no HTTP shall not wait for the HTTP client to be imported.
--
-- What a native raises when Lua calls it is an object of Python's, which no script can join to a text; so it is turned
-- into its text here, for all of them. One that waits is called by the driver, which wants the function of Python's:
-- core.python_of has it.

local family, told = ... -- name -> name, function, name, function, ...; exception -> text, nil for what is no error

local error, pcall, select, setmetatable, sub, type = error, pcall, select, setmetatable, string.sub, type
local getinfo = debug.getinfo

local OWN = "@lasa/_core/"

local python_of = {}

-- At the line of the script that has called one of the runtime's functions.
local function raise(err)
    local text = type(err) == "userdata" and told(err)
    if not text then error(err, 0) end
    local level = 2
    local info = getinfo(level, "S")
    while info and sub(info.source, 1, #OWN) == OWN do
        level = level + 1
        info = getinfo(level, "S")
    end
    error(text, level)
end

local function returned(ok, ...)
    if ok then return ... end
    return raise((...))
end

local function guarded(f)
    local function call(...) return returned(pcall(f, ...)) end
    python_of[call] = f
    return call
end

local function filled(...)
    local natives = {}
    for i = 1, select("#", ...), 2 do
        local name, f = select(i, ...)
        natives[name] = guarded(f)
    end
    return natives
end

return setmetatable({}, {
    __index = function(native, name)
        local natives = filled(family(name))
        native[name] = natives
        return natives
    end,
}), python_of
