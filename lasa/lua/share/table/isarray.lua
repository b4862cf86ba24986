-- table.isarray(t): whether all keys are whole numbers; there may be holes, and nothing at all is an array too.
-- One of the functions that OpenResty's LuaJIT has more.

local error, floor, next, type = error, math.floor, next, type

local function isarray(t)
    if type(t) ~= "table" then error("bad argument #1 to 'isarray' (table expected, got " .. type(t) .. ")", 2) end
    for key in next, t do
        if type(key) ~= "number" or floor(key) ~= key then return false end
    end
    return true
end

table.isarray = isarray -- as the first require of it does there
return isarray
