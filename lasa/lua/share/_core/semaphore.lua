-- Semaphores: the module ngx.semaphore and lasa.semaphore, over lasa's own.

local core = ...

local native = core.native.semaphores
local wait = core.wait
local error, floor, setmetatable, tonumber, tostring, type = error, math.floor, setmetatable, tonumber, tostring, type

local semaphore = { version = core.ngx_lua_resty_version, _VERSION = core.ngx_lua_resty_version }
local methods = {}
local meta = { __index = methods }

local function handle_of(self, name)
    local handle = type(self) == "table" and getmetatable(self) == meta and self[1]
    if not handle then error("not a semaphore instance", 3) end
    return handle
end

function semaphore.new(n)
    local count = tonumber(n == nil and 0 or n)
    if type(count) ~= "number" then error("no negative number", 2) end
    if count < 0 then error("no negative number", 2) end
    return setmetatable({ native.new(floor(count)) }, meta)
end

function methods:wait(seconds)
    local handle = handle_of(self, "wait")
    local timeout_s = tonumber(seconds)
    if not timeout_s or timeout_s < 0 then error("no negative number", 2) end
    local waits = native.count(handle) <= 0
    local ok, err = wait(native.wait, handle, timeout_s)
    if ok and not waits then return ok end
    return ok, err -- also of a success, as OpenResty's does, if it had to wait
end

function methods:post(n)
    local handle = handle_of(self, "post")
    local count = n and tonumber(n) or 1
    if count < 1 then error("positive number required", 2) end
    return native.post(handle, floor(count))
end

function methods:count() return native.count(handle_of(self, "count")) end

core.modules["ngx.semaphore"] = semaphore
core.lasa.semaphore = semaphore
