-- What each script here is made of: cases, run in the order in which they stand, and told one a line.
--
--   local case, equal = require "cases" ()
--   case("what is true", function() equal(1 + 1, 2) end)
--
-- says "ok what is true", or "not ok what is true: why". A script's first argument is what the modules' names begin
-- with ("nginx." in Debian, "resty." elsewhere), the others are ports.

local concat, error, format, pairs, sort, tostring, type, xpcall =
    table.concat, error, string.format, pairs, table.sort, tostring, type, xpcall
local ngx = ngx

local function shown(value)
    if type(value) == "string" then
        return #value > 200 and format("%q... (%d bytes)", value:sub(1, 100), #value) or format("%q", value)
    end
    if type(value) ~= "table" then return tostring(value) end
    local parts = {}
    for key, inner in pairs(value) do parts[#parts + 1] = tostring(key) .. "=" .. shown(inner) end
    sort(parts)
    return "{" .. concat(parts, ", ") .. "}"
end

local function same(a, b)
    if type(a) ~= "table" or type(b) ~= "table" then return a == b end
    for key, value in pairs(a) do
        if not same(value, b[key]) then return false end
    end
    for key in pairs(b) do
        if a[key] == nil then return false end
    end
    return true
end

-- Fail unless both values are the same, down to what tables hold.
local function equal(got, wanted)
    if not same(got, wanted) then error(format("%s, not %s", shown(got), shown(wanted)), 2) end
end

local function case(name, f)
    local ok, err = xpcall(f, function(message) return debug.traceback(tostring(message), 2) end)
    ngx.say(ok and "ok " .. name or "not ok " .. name .. ": " .. err:gsub("\n", "\\n"))
    ngx.flush()
end

-- Run functions in light threads of their own; fail if one does, and return what each of them returns.
local function all(...)
    local threads, results = {}, {}
    for i, f in ipairs { ... } do threads[i] = assert(ngx.thread.spawn(f)) end
    for i, thread in ipairs(threads) do
        local ok, result = ngx.thread.wait(thread)
        if not ok then error("a light thread failed: " .. tostring(result), 2) end
        results[i] = result
    end
    return results
end

-- Serve `count` connections, one after another, by a light thread: `serve` gets each as a cosocket. Returns the port.
local function peer(serve, count)
    local server = lasa.socket.tcp()
    assert(server:bind("127.0.0.1", 0))
    assert(server:listen())
    local _, port = server:getsockname()
    ngx.thread.spawn(function()
        for _ = 1, count or 1 do
            local sock = assert(server:accept())
            sock:settimeout(5000)
            serve(sock)
            sock:close()
        end
        server:close()
    end)
    return port
end

return function() return case, equal, all, peer end
