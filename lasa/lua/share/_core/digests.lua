-- resty.md5, resty.sha1, resty.sha224 … resty.sha512: digests of data that comes in pieces, by Python's hashlib.
-- Source: lua-resty-string.

local core = ...

local native = core.native.crypto
local error, getmetatable, min, setmetatable, sub, type = error, getmetatable, math.min, setmetatable, string.sub, type

local VERSION = "0.17"

local function new_module(name)
    local module = { _VERSION = VERSION }
    local meta = { __index = module }

    local function check(self, method)
        if type(self) ~= "table" or getmetatable(self) ~= meta then
            error("bad argument #1 to '" .. method .. "' (" .. name .. " object expected, got " .. type(self) .. ")", 3)
        end
    end

    function module.new()
        return setmetatable({ _ctx = native.new_digest(name) }, meta)
    end

    -- Only resty.md5 knows `size`: so many of the first bytes count.
    function module:update(s, size)
        check(self, "update")
        if type(s) ~= "string" then
            error("bad argument #2 to 'update' (string expected, got " .. type(s) .. ")", 2)
        end
        if size and name == "md5" then s = sub(s, 1, min(size, #s)) end
        native.update(self._ctx, s)
        return true
    end

    -- The digest so far, in binary. (A digest goes on after it; in OpenResty what comes of that is undefined.)
    function module:final()
        check(self, "final")
        return native.digest(self._ctx)
    end

    function module:reset()
        check(self, "reset")
        self._ctx = native.new_digest(name)
        return true
    end

    return module
end

for _, name in ipairs { "md5", "sha1", "sha224", "sha256", "sha384", "sha512" } do
    core.modules["resty." .. name] = new_module(name)
end

core.modules["resty.sha"] = { _VERSION = VERSION } -- C types for the others, in OpenResty
