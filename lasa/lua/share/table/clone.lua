-- table.clone(t): a shallow copy without the metatable. One of the functions that OpenResty's LuaJIT has more.

local error, next, type = error, next, type

local function clone(t)
    if type(t) ~= "table" then error("bad argument #1 to 'clone' (table expected, got " .. type(t) .. ")", 2) end
    local copy = {}
    for key, value in next, t do copy[key] = value end
    return copy
end

table.clone = clone -- as the first require of it does there
return clone
