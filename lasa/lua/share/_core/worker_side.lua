-- The other side of ngx.run_worker_thread: what the Lua of a worker's OS thread does for one call.

local core = ...

local cannot_copy = core.cannot_copy
local package, pcall, require, select, tostring, type, unpack =
    package, pcall, require, select, tostring, type, unpack
local buffer = require "string.buffer"

local function packed(ok, ...)
    if not ok then
        local err = ...
        return false, type(err) == "string" and err or tostring(err)
    end
    local results = { n = select("#", ...), ... }
    for i = 1, results.n do
        local complaint = cannot_copy(results[i])
        if complaint then return false, complaint .. " in the return value" end
    end
    return true, buffer.encode(results)
end

return function(path, cpath, module, name, arguments)
    package.path, package.cpath = path, cpath
    local ok, found = pcall(require, module)
    if not ok then return false, type(found) == "string" and found or tostring(found) end
    if type(found) ~= "table" then return false, "invalid lua module" end
    local f = found[name]
    if type(f) ~= "function" then return false, "invalid function" end
    arguments = buffer.decode(arguments)
    return packed(pcall(f, unpack(arguments, 1, arguments.n)))
end
