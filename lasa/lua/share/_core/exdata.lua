-- thread.exdata and thread.exdata2: a pointer of the script's own for each coroutine, NULL before it is set. In OpenResty
-- the first one is nginx's request, and a new coroutine has what its parent has.
-- Source: OpenResty's LuaJIT.

local core = ...

local ffi = core.ffi
local Pointer = ffi.typeof "void *"
local cast, running, select, setmetatable, type = ffi.cast, coroutine.running, select, setmetatable, type

for _, name in ipairs { "exdata", "exdata2" } do
    local pointers = setmetatable({}, { __mode = "k" })

    core.modules["thread." .. name] = function(...)
        if select("#", ...) == 0 then return pointers[running()] or Pointer() end
        local value = ...
        if type(value) ~= "cdata" then core.bad_argument(1, 1, "cdata expected, got " .. type(value)) end
        pointers[running()] = cast(Pointer, value)
    end
end
