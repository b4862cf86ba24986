-- Semaphores: the module ngx.semaphore and lasa.semaphore, over lasa's own.

local core = ...

local native = core.native.semaphores
local wait = core.wait
local error, floor, setmetatable, tonumber, tostring, type = error, math.floor, setmetatable, tonumber, tostring, type

local semaphore = { version = core.ngx_lua_resty_version, _VERSION = core.ngx_lua_resty_version }
local LARGEST = 2 ^ 31 - 1
local methods = {}
local meta = { __index = methods }

local function handle_of(self, name)
    local handle = type(self) == "table" and getmetatable(self) == meta and self[1]
    if not handle then error("not a semaphore instance", 3) end
    return handle
end

-- What is no number counts as the default, as in OpenResty, and so does NaN; no count is larger than a C int.
local function count_of(n, default)
    local count = tonumber(n)
    if not count or count ~= count then return default end
    return count < LARGEST and floor(tonumber(count)) or LARGEST
end

function semaphore.new(n)
    local count = count_of(n, 0)
    if count < 0 then error("no negative number", 2) end
    return setmetatable({ native.new(count) }, meta)
end

function methods:wait(seconds)
    local handle = handle_of(self, "wait")
    local timeout_s = tonumber(seconds)
    if not timeout_s then error("attempt to perform arithmetic on a " .. type(seconds) .. " value", 2) end
    if timeout_s < 0 then error("no negative number", 2) end
    if timeout_s ~= timeout_s then timeout_s = 0 end
    local handler = core.current().handler
    if handler.is_early then
        if handler.phase == "init" then error(core.disabled(handler), 2) end
        return nil, core.disabled(handler)
    end
    local waits = native.count(handle) <= 0
    local ok, err = wait(native.wait, handle, timeout_s)
    if ok and not waits then return ok end
    return ok, err -- also of a success, as OpenResty's does, if it had to wait
end

function methods:post(n)
    local handle = handle_of(self, "post")
    local count = count_of(n, 1)
    if count < 1 then error("positive number required", 2) end
    return native.post(handle, count)
end

function methods:count() return native.count(handle_of(self, "count")) end

core.modules["ngx.semaphore"] = semaphore
core.lasa.semaphore = semaphore
