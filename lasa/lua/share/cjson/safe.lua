-- The module cjson.safe: cjson whose encode() and decode() return nil and the error instead of raising it.
-- Source: lua-cjson (OpenResty's), manual.

local cjson = (select(2, ...) or require)("cjson")

local error, format, getinfo, pcall, select = error, string.format, debug.getinfo, pcall, select

local function protect(call)
    return function(...)
        if select("#", ...) ~= 1 then
            error(format("bad argument #1 to '%s' (expected 1 argument)", getinfo(1, "n").name or "?"), 2)
        end
        local good, result = pcall(call, (...))
        if not good then return nil, result end
        return result
    end
end

local function new()
    local safe = cjson.new()
    safe.new = new
    safe.encode = protect(safe.encode)
    safe.decode = protect(safe.decode)
    return safe
end

return new()
