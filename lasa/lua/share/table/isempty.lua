-- table.isempty(t): whether a table holds nothing. One of the functions that OpenResty's LuaJIT has more.

local error, next, type = error, next, type

local function isempty(t)
    if type(t) ~= "table" then error("bad argument #1 to 'isempty' (table expected, got " .. type(t) .. ")", 2) end
    return next(t) == nil
end

table.isempty = isempty -- as the first require of it does there
return isempty
