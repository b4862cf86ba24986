-- table.nkeys(t): how many values a table holds. One of the functions that OpenResty's LuaJIT has more.

local error, next, type = error, next, type

local function nkeys(t)
    if type(t) ~= "table" then error("bad argument #1 to 'nkeys' (table expected, got " .. type(t) .. ")", 2) end
    local count = 0
    for _ in next, t do count = count + 1 end
    return count
end

table.nkeys = nkeys -- as the first require of it does there
return nkeys
